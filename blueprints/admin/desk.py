"""/admin/desk: what the 電子連携サービス事務局 sees of offices: their devices, never their documents."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from models import Office

bp = Blueprint("desk", __name__, url_prefix="/admin/desk")


@bp.get("/")
def index() -> ResponseReturnValue:
    return render_template("admin/desk.html", offices=Office.open_ones())
