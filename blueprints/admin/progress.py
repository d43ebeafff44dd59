"""/admin/progress: how far each office is, and who must act."""

from datetime import datetime
from typing import Any

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from blueprints import guards, paging
from database import utc_now
from exchange import progress, settings

bp = Blueprint("progress", __name__, url_prefix="/admin/progress")


@bp.get("/")
def index() -> ResponseReturnValue:
    at = utc_now()
    found = progress.under_way(at)
    step, is_stuck = request.args.get("step", ""), request.args.get("stuck") == "y"
    if step == progress.DONE:
        done = progress.finished()
        pager = paging.page_found(lambda skip, size: _of(done.limit(size).offset(skip), at), done.count())
    else:
        shown = [one for one in found if step in ("", one.key) and (one.is_stuck or not is_stuck)]
        pager = paging.page_found(lambda skip, size: shown[skip : skip + size], len(shown))
    return render_template(
        "admin/progress.html",
        funnel=progress.funnel(found),
        pager=pager,
        step=step,
        is_stuck=is_stuck,
        stuck=sum(one.is_stuck for one in found),
        limit=settings.get("stuck_days"),
        may_register=guards.may_read("registrations.index"),
    )


@bp.get("/<office_uid>")
def office(office_uid: str) -> ResponseReturnValue:
    found = guards.office_or_404(office_uid)
    return render_template(
        "admin/progress_office.html",
        office=found,
        progress=progress.of(found, utc_now()),
        may_register=guards.may_read("contracts.form"),
    )


def _of(offices: Any, at: datetime) -> list[progress.Progress]:
    return progress.every(list(offices), at)
