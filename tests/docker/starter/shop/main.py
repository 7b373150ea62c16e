"""A shop in a few lines, as one finds it: variables from the process, nothing known of envmgr but the key prefix."""

import os

import sqlalchemy
from fastapi import FastAPI

from shop.tasks import order

app = FastAPI()
engine = sqlalchemy.create_engine(os.environ["DATABASE_URL"])


@app.get("/healthz")
def healthz():
    return {"currency": os.environ["SHOP_CURRENCY"], "signed": bool(os.environ["SESSION_SECRET"])}


@app.post("/orders")
def place():
    return {"id": order.delay().get(timeout=20)}


@app.get("/orders")
def count():
    with engine.connect() as connection:
        return {"count": connection.execute(sqlalchemy.text("SELECT count(*) FROM orders")).scalar()}
