"""Addresses of the way in, under /portal/."""

from django.urls import path

from . import preferences, views

urlpatterns = [
    path("enter/<str:token>/", views.enter, name="portal-enter"),
    path("open/", views.open_account, name="portal-open"),
    path("link/", views.ask_for_link, name="portal-link"),
    path("link/sent/", views.link_asked, name="portal-link-asked"),
    path("out/", views.leave, name="portal-out"),
    path("out/everywhere/", views.leave_everywhere, name="portal-out-everywhere"),
    path("preferences/", preferences.preferences, name="portal-preferences"),
    path("language/", views.choose_language, name="portal-language"),
]
