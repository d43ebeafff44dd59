"""Postal codes and addresses as they are typed, and as an envelope carries them."""

import pytest

from exchange import normalise


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("１００－０００１", "100-0001"),
        (" 〒100 0001", "100-0001"),
        ("1000001", "100-0001"),
        ("100ー0001", "100-0001"),
        ("100000", "100000"),
        ("1-000001", "1-000001"),
        ("", ""),
    ],
)
def test_a_postal_code_has_seven_digits_in_any_width(typed: str, code: str) -> None:
    assert normalise.postal_code(typed) == code
    assert normalise.is_postal_code(code) == (code == "100-0001")


def test_an_address_keeps_its_lines_and_loses_what_nobody_sees() -> None:
    assert (
        normalise.address(" 東京都千代田区\u200b千代田1-1 \r\n\n　皇居ビル\r3階")
        == "東京都千代田区千代田1-1\n皇居ビル\n3階"
    )


@pytest.mark.parametrize(
    ("address", "fits"), [("あ" * 120, True), ("あ" * 121, False), ("a\nb\nc\nd", True), ("a\nb\nc\nd\ne", False)]
)
def test_an_address_fits_into_the_window_or_not(address: str, fits: bool) -> None:
    assert normalise.fits_window(address) == fits
    assert normalise.is_address(address) == fits


@pytest.mark.parametrize("address", ["=1+1", "東京都\n+1", "東京都\ue000区", "東京都\ufffd区"])
def test_an_address_that_a_letter_cannot_carry_is_none(address: str) -> None:
    assert not normalise.is_address(address)
