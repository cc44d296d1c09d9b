"""The admin site: for the role Administrator, behind the portal's own sign-in."""

from __future__ import annotations

from functools import wraps
from typing import Any

from csp.constants import SELF
from csp.decorators import csp_replace
from django.contrib.admin import AdminSite
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, resolve_url
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods

from staff.models import User


class PortalAdminSite(AdminSite):
    """Who may enter is decided by a permission of the role, not by the flag ``is_staff``."""

    site_title = _("SmartHub Portal")
    site_header = _("SmartHub Portal: administration")
    index_title = _("Records")
    enable_nav_sidebar = True

    def has_permission(self, request: HttpRequest) -> bool:
        """Whether the user has the Administrator's permission to see users."""
        user: User | AnonymousUser = request.user
        return user.is_active and user.has_perm("staff.view_user")

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """As Django's, but somebody signed in with another role gets a 403 and not a second sign-in form.

        Django's own pages give their scripts no nonce: here all scripts of the portal's host may run.
        """
        inner: Any = csp_replace({"script-src": [SELF]})(super().admin_view(view, cacheable))

        @require_http_methods(["GET", "HEAD", "POST"])
        @wraps(inner)
        def outer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if request.user.is_authenticated and not self.has_permission(request):
                raise PermissionDenied
            if any("\x00" in part for part in kwargs.values() if isinstance(part, str)):
                raise Http404  # PostgreSQL refuses to look for it
            return inner(request, *args, **kwargs)

        return outer

    @login_not_required
    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """There is one sign-in, with its lockout: the portal's."""
        if request.user.is_authenticated and not self.has_permission(request):
            raise PermissionDenied
        target = request.GET.get("next") or resolve_url("admin:index")
        return redirect_to_login(target, resolve_url("staff:login"))

    def password_change(  # type: ignore[override]  # Django's annotation knows only its own page
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """There is one page for it, the portal's, which writes the audit entry."""
        return redirect("staff:password")
