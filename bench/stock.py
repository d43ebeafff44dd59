"""The reference site: what a Flask tutorial would write. It hashes, encrypts and syncs nothing."""

import os
from pathlib import Path

from flask import Flask, request

app = Flask(__name__)


@app.get("/")
def index() -> str:
    return "here"


@app.post("/upload")
def upload() -> str:
    request.files["file"].save(Path(os.environ["STORE"]) / "stored")
    return "stored"
