"""What App Service authentication answers to browsers under `/.auth`: a sign-in, and a sign-out.

In place of the form of Entra stands a choice of persons. The session is a cookie, as there; its attributes and the
parameters of both paths are inferred from the documentation of App Service authentication.
"""

from collections.abc import Mapping
from html import escape
from urllib.parse import quote

from aiohttp import web

PREFIX = "/.auth/"
COOKIE = "AppServiceAuthSession"
LOGIN, LOGOUT = f"{PREFIX}login/aad", f"{PREFIX}logout"
CHOICE = "as"
PAGE_HEADERS = {"Content-Security-Policy": "default-src 'none'", "Cache-Control": "no-store"}


class SignInPage:
    """Signs one of some persons in.

    Attributes:
        people: By token, what a person is called there.
    """

    def __init__(self, people: Mapping[str, str]) -> None:
        self.people = people

    def answer(self, request: web.Request) -> web.Response:
        """The answer to a request under `/.auth`."""
        match request.method, request.path:
            case ("GET", path) if path == LOGIN:
                return self._sign_in(request)
            case ("GET", path) if path == LOGOUT:
                response = _redirect(request, "post_logout_redirect_uri")
                response.del_cookie(COOKIE, httponly=True)
                return response
        return web.Response(status=404)

    def read_session(self, request: web.Request) -> str:
        """The token of the session that the browser sends; empty without one."""
        return request.cookies.get(COOKIE, "")

    def _sign_in(self, request: web.Request) -> web.Response:
        token = request.query.get(CHOICE, "")
        if token not in self.people:
            return self._choice_page(request.query.get("post_login_redirect_uri", "/"))
        response = _redirect(request, "post_login_redirect_uri")
        if response.status == 302:
            response.set_cookie(COOKIE, token, httponly=True)
        return response

    def _choice_page(self, target: str) -> web.Response:
        rows = "".join(
            f'<li><a href="{LOGIN}?{CHOICE}={token}&amp;post_login_redirect_uri={quote(target, safe="")}">'
            f"{escape(label)}</a></li>"
            for token, label in self.people.items()
        )
        text = (
            '<!doctype html><html lang="en"><head><title>Sign in to the lab</title>'
            '<meta name="viewport" content="width=device-width"></head>'
            f"<body><main><h1>Sign in to the lab as</h1><ul>{rows}</ul></main></body></html>"
        )
        return web.Response(text=text, content_type="text/html", headers=PAGE_HEADERS)


def _redirect(request: web.Request, parameter: str) -> web.Response:
    """To the path that the request names: never to another host."""
    target = request.query.get(parameter, "/")
    if not target.startswith("/") or target[1:2] in {"/", "\\"}:
        return web.Response(status=400, text=f"{parameter} must be a path of this app")
    return web.Response(status=302, headers={"Location": target})
