"""Addresses that belong to no app."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
