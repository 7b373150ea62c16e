"""The shop's worker."""

import os

import sqlalchemy
from celery import Celery

prefix = {"global_keyprefix": os.environ["REDIS_KEY_PREFIX"]}
celery = Celery("shop", broker=os.environ["REDIS_URL"], backend=os.environ["REDIS_URL"])
celery.conf.broker_transport_options = prefix
celery.conf.result_backend_transport_options = prefix
celery.conf.task_default_queue = "shop"


@celery.task
def order():
    engine = sqlalchemy.create_engine(os.environ["DATABASE_URL"])
    with engine.begin() as connection:
        return connection.execute(sqlalchemy.text("INSERT INTO orders DEFAULT VALUES RETURNING id")).scalar()
