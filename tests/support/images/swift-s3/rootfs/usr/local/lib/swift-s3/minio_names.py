"""What MinIO calls things, for Swift's pipeline: its health address, and its root user.

`root_user` stands behind s3api, which parses the S3 request and offers to check its signature against a
secret. Everything that does not carry the root user's signature is refused here, requests of Swift's own
protocol included.
"""

import os
import socket

from swift.common.swob import HTTPForbidden, HTTPUnauthorized

ACCOUNT = "AUTH_root"
STORE_PORTS = (6200, 6201, 6202)
HEALTH_PATHS = ("/minio/health/live", "/minio/health/ready", "/minio/health/cluster")


def health_factory(global_conf, **conf):
    """Answers 200 where all the servers behind the proxy take connections, 503 otherwise."""

    def all_listen():
        try:
            for port in STORE_PORTS:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return True
        except OSError:
            return False

    def factory(app):
        def health(env, start_response):
            if env["PATH_INFO"] not in HEALTH_PATHS:
                return app(env, start_response)
            start_response("200 OK" if all_listen() else "503 Service Unavailable", [("Content-Length", "0")])
            return [b""]

        return health

    return factory


def root_user_factory(global_conf, **conf):
    """Lets the root user's signed requests pass, as the owner of the one account."""
    user = os.environ.get("MINIO_ROOT_USER", "minioadmin")
    password = os.environ.get("MINIO_ROOT_PASSWORD", "minioadmin")

    def factory(app):
        def root_user(env, start_response):
            if env.get("swift.authorize_override"):
                # Swift asks itself something, on behalf of a request that has passed.
                return app(env, start_response)
            signed = env.get("s3api.auth_details")
            if not signed or signed["access_key"] != user:
                return HTTPForbidden()(env, start_response)
            if not signed["check_signature"](password):
                # s3api makes SignatureDoesNotMatch of it.
                return HTTPUnauthorized()(env, start_response)
            env["PATH_INFO"] = env["PATH_INFO"].replace(f"/v1/{user}", f"/v1/{ACCOUNT}", 1)
            env["REMOTE_USER"] = ACCOUNT
            env["swift_owner"] = True
            env["swift.authorize"] = lambda request: None
            return app(env, start_response)

        return root_user

    return factory
