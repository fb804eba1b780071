"""The application: routes, the page, and what every error becomes."""

from __future__ import annotations

import logging
import re
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from medcontour.errors import MedcontourError
from medcontour.results import format_names
from medcontour.server.documents import Classifier, Info
from medcontour.server.given import ERRORS, GivenService
from medcontour.server.guard import API, Guard
from medcontour.server.job_routes import routes as job_routes
from medcontour.server.problems import Problem
from medcontour.server.result_routes import routes as result_routes
from medcontour.server.service import Service
from medcontour.server.study_routes import routes as study_routes

__all__ = ["make_app", "openapi_document"]

_LOG = logging.getLogger("medcontour.server")


def make_app(service: Service) -> Guard:
    """Make the ASGI application of a server.

    Parameters
    ----------
    service
        What it serves.
    """
    app = _bare()
    app.state.service = service
    app.state.methods = [
        (re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), sorted(map(str.upper, own)))
        for path, own in app.openapi()["paths"].items()
    ]
    app.mount("/", StaticFiles(packages=[("medcontour.server", "page")], html=True))
    return Guard(_quiet(app), service.options)


def openapi_document() -> dict[str, Any]:
    """Give the OpenAPI document of the interface, as the server publishes it.

    Examples
    --------
    >>> "/api/studies" in openapi_document()["paths"]
    True
    """
    return _bare().openapi()


def _bare() -> FastAPI:
    """The routes without the page."""
    app = FastAPI(
        title="medcontour",
        version=version("medcontour"),
        summary="From a trained image classifier to editable findings, in patient space",
        openapi_url="/api/openapi.json",
        docs_url=None,  # both would fetch scripts from elsewhere
        redoc_url=None,
    )

    @app.get("/api/info", responses=ERRORS, tags=["server"])
    def info(service: GivenService) -> Info:
        """Say what the server is, and what it can do."""
        reference = service.workspace.setup.reference
        options = service.options
        return Info(
            medcontour=version("medcontour"),
            api=API,
            target=service.workspace.setup.target,
            classifier=Classifier(
                name=reference.name, sha256=reference.sha256, labels=list(reference.labels)
            ),
            formats=format_names(),
            studies=options.studies is not None,
            archives=list(options.archives),
            idle_seconds=options.bounds.idle_seconds,
            upload_bytes=options.bounds.upload_bytes,
        )

    for routes in (study_routes, result_routes, job_routes):
        app.include_router(routes)
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(MedcontourError, _cannot)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    return app


def _quiet(app: FastAPI) -> Any:
    """The application without tracebacks: they can hold anything, a patient's name too."""

    async def quiet(scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def noted(message: Any) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await app(scope, receive, noted)
        except Exception as error:
            if scope["type"] != "http":
                raise
            _LOG.error("A request failed: %s", type(error).__name__)
            if not begun:
                said = f"The server failed ({type(error).__name__}); try again, or report it."
                await JSONResponse({"error": said}, 500)(scope, receive, send)

    return quiet


def _problem(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)
    return JSONResponse({"error": str(error)}, error.status)


def _cannot(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"error": request.app.state.service.plain(str(error))}, 422)


def _invalid(request: Request, error: Exception) -> JSONResponse:
    """Say what does not fit, and repeat nothing of it."""
    assert isinstance(error, RequestValidationError)
    said = [
        f"{'.'.join(str(part)[:40] for part in each['loc'][:6])}: {each['type'].replace('_', ' ')}"
        for each in error.errors()[:3]
    ]
    sentence = f"The request does not fit ({'; '.join(said)}); see /api/openapi.json."
    return JSONResponse({"error": sentence}, 422)


def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if error.status_code in (404, 405):  # of the page, which stands behind all routes
        for path, methods in request.app.state.methods:
            if path.fullmatch(request.url.path) and request.method not in methods:
                said = f"Only {', '.join(methods)} can be done there."
                return JSONResponse({"error": said}, 405, {"Allow": ", ".join(methods)})
    return JSONResponse({"error": str(error.detail)}, error.status_code, error.headers)
