"""Two questions a load balancer asks: are you alive, and can you work?"""

from django.conf import settings
from django.db import Error, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe


@require_safe
@never_cache
def healthz(request: HttpRequest) -> JsonResponse:
    """Answer 200 while the process lives, whatever else is down."""
    return JsonResponse({"status": "ok"})


@require_safe
@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    """Answer 200 if the database answers, 503 if not; the broker is only told, pages work without it."""
    checks = {"database": _database_answers(), "broker": _broker_answers()}
    ready = checks["database"]
    words = {name: "ok" if good else "down" for name, good in checks.items()}
    return JsonResponse({"status": "ok" if ready else "down", **words}, status=200 if ready else 503)


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        return False
    return True


def _broker_answers() -> bool:
    from celery import current_app
    from kombu.exceptions import KombuError

    if settings.EMBEDDED_BROKER:
        from .wire import ping_valkey

        return ping_valkey(settings.PLACE.valkey_socket)
    try:
        with current_app.connection_for_read(connect_timeout=1) as broker:
            broker.ensure_connection(max_retries=1, timeout=2)
    except (KombuError, OSError):
        return False
    return True
