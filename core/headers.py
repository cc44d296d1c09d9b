"""The headers that every answer has, whoever makes it: a page, a file, a webhook, a probe, an error."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.middleware.security import SecurityMiddleware

_UNUSED = (
    "accelerometer",
    "autoplay",
    "camera",
    "display-capture",
    "encrypted-media",
    "fullscreen",
    "geolocation",
    "gyroscope",
    "magnetometer",
    "microphone",
    "midi",
    "payment",
    "picture-in-picture",
    "publickey-credentials-get",
    "screen-wake-lock",
    "serial",
    "usb",
    "xr-spatial-tracking",
)
"""What a browser can do and no page of ours asks for. Copying to the clipboard is asked for."""

ALWAYS = {
    # A page's own policy, which lets it have what it is made of, comes from django-csp.
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    # Nothing of ours is for shared caches, nor for the browser's after a sign-out. Static files say something else.
    "Cache-Control": "private, no-store",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": ", ".join(f"{name}=()" for name in _UNUSED),
    "Reporting-Endpoints": f'csp="{settings.CSP_REPORTS}"',
    "X-Frame-Options": settings.X_FRAME_OPTIONS,
}
"""What an answer gets that does not say something else itself."""
if settings.DEBUG:
    del ALWAYS["Content-Security-Policy"]  # Django's pages for developers have script and style in them


class HeadersMiddleware(SecurityMiddleware):
    """Stands before all others, since some of them answer themselves.

    HSTS, type sniffing, referrer and opener are Django's, by its settings. Its way from http to https is left to
    Django's own middleware further in, where probes and webhooks don't come by.
    """

    def process_request(self, request: HttpRequest) -> None:
        """Nothing: see above."""

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """Add what is missing."""
        headers = response.headers
        for name, value in ALWAYS.items():
            if name not in headers:
                headers[name] = value
        return super().process_response(request, response)
