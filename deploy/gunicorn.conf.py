"""gunicorn for one small server, behind nginx, with `flask worker` beside it.

Started by todoke.service: gunicorn -c deploy/gunicorn.conf.py "app:create_app()"
"""

from gunicorn.http.unreader import SocketUnreader

bind = "127.0.0.1:8000"
worker_class = "gthread"
workers = 2
threads = 32  # an upload holds a thread as long as its sender needs: nginx hands it through without keeping it
timeout = 60
graceful_timeout = 30
# nginx on this machine is the only one who may say who asks.
forwarded_allow_ips = "127.0.0.1"

# Bodies are read in the pieces they are hashed and encrypted in.
SocketUnreader.max_body_chunk = 64 * 1024
