"""The addresses of the API, and its readable reference."""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.urls import path
from ninja import NinjaAPI

from . import accounts, money
from .calls import TokenAuth
from .problems import add_handlers

api = NinjaAPI(
    title="Billing back office", version="1", auth=TokenAuth(), docs_url=None, openapi_url=None,
    urls_namespace="api-v1",
    description="Accounts, invoices, payments, standing and holds. Amounts are texts with two decimals, dates are ISO."
    " Every POST needs an Idempotency-Key header. Errors are problem+json.",
)  # fmt: skip
add_handlers(api)
api.add_router("/accounts", accounts.router)
api.add_router("/invoices", money.invoices)
api.add_router("/payments", money.payments)


def document(_request: HttpRequest) -> HttpResponse:
    """Return the OpenAPI document; it holds nothing of the operator's."""
    return JsonResponse(described())


def reference(request: HttpRequest) -> HttpResponse:
    """Show the same as a page that people read, without a script or anything from elsewhere."""
    schema = described()
    calls = [
        {
            "method": method.upper(), "path": place, "summary": call["summary"], "words": call.get("description", ""),
            "parameters": call.get("parameters", ()), "body": _fields(schema, call.get("requestBody")),
        }
        for place, methods in schema["paths"].items()
        for method, call in methods.items()
    ]  # fmt: skip
    return TemplateResponse(request, "api/reference.html", {"info": schema["info"], "calls": calls})


def described() -> dict[str, Any]:
    """Return the OpenAPI document, with the problems and the key that each act needs."""
    schema: dict[str, Any] = api.get_openapi_schema(path_prefix="/api/v1")
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    schema["components"]["schemas"]["Problem"] = {
        "type": "object", "required": ["type", "title", "status", "code", "detail"],
        "properties": {
            "type": {"type": "string"}, "title": {"type": "string"}, "status": {"type": "integer"},
            "code": {"type": "string"}, "detail": {"type": "string"},
            "errors": {"type": "array", "items": {"type": "object"}},
        },
    }  # fmt: skip
    for methods in schema["paths"].values():
        for method, call in methods.items():
            for status, words in (("400", "Cannot be read"), ("401", "No token in force"), ("403", "Not allowed"),
                                  ("404", "No such thing"), ("429", "Too many calls")):  # fmt: skip
                call["responses"][status] = {"description": words, "content": problem}
            if method == "post":
                for status, words in (("409", "In conflict"), ("413", "Too large"), ("422", "Refused")):
                    call["responses"][status] = {"description": words, "content": problem}
                call.setdefault("parameters", []).append(
                    {
                        "name": "Idempotency-Key", "in": "header", "required": True,
                        "schema": {"type": "string", "pattern": "^[!-~]{1,64}$"},
                    }
                )  # fmt: skip
    return schema


def _fields(schema: dict[str, Any], body: dict[str, Any] | None) -> list[dict[str, Any]]:
    if not body:
        return []
    name = body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    form = schema["components"]["schemas"][name]
    required = form.get("required", ())
    return [
        {"name": field, "required": field in required, "form": _form_of(details)}
        for field, details in form["properties"].items()
    ]


def _form_of(details: dict[str, Any]) -> str:
    """Say in words what a field takes."""
    options = details.get("anyOf", [details])
    words = [str(one.get("pattern") or one.get("format") or one.get("type")) for one in options]
    most = [f"at most {one['maxLength']} signs" for one in options if "maxLength" in one]
    return ", ".join([" or ".join("nothing" if word == "null" else word for word in words), *most])


urlpatterns = [
    path("openapi.json", document, name="api-document"),
    path("", reference, name="api-reference"),
    path("", api.urls),
]
