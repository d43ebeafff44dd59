"""A keyboard and nothing else."""

from tests.browser.people import Person

MOST_STOPS = 60

# The element that has the keyboard: its name as it is announced, its tag, and whether it can be seen to have it.
FOCUSED = """
() => {
  const it = document.activeElement;
  const look = getComputedStyle(it);
  const labels = it.labels && it.labels.length ? it.labels[0].innerText : it.innerText;
  const ring = look.outlineStyle !== "none" && parseFloat(look.outlineWidth) >= 2;
  const box = it.getBoundingClientRect();
  const inView = box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
  return [(labels || "").trim(), it.tagName, ring && inView];
}
"""


class Hands:
    """A person's hands on the keyboard, and nowhere else."""

    def __init__(self, person: Person) -> None:
        self.page = person.page
        self.keys = person.page.keyboard

    def reaches(self, name: str, tag: str = "") -> None:
        """Tab until the element with this name has the focus; every stop on the way is visible."""
        met = []
        self.page.wait_for_load_state("load")
        for _ in range(MOST_STOPS):
            self.keys.press("Tab")
            label, found, is_visible = self.page.evaluate(FOCUSED)
            if found == "BODY":
                continue
            assert is_visible, f"the focus on {label or found!r} can't be seen"
            met.append(label)
            if label == name and tag in ("", found):
                return
        raise AssertionError(f"{name!r} was not reached; met {met}")

    def types(self, label: str, words: str) -> None:
        self.reaches(label)
        self.keys.press("Control+a")
        self.keys.type(words)

    def presses(self, name: str) -> None:
        self.reaches(name, "BUTTON")
        self.keys.press("Enter")

    def follows(self, name: str) -> None:
        self.reaches(name, "A")
        self.keys.press("Enter")
