"""A WSGI application that tells how it runs."""

import os


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    threads = f"{environ['wsgi.multithread']} {environ['wsgi.multiprocess']} {os.environ['WEB_CONCURRENCY']}"
    return [threads.encode()]
