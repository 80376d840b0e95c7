"""Addresses of the delinquency room's pages, under /portal/."""

from django.urls import path

from . import views

urlpatterns = [path("garden/", views.garden, name="portal-garden")]
