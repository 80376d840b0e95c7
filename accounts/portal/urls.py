"""Addresses of the way in, under /portal/."""

from django.urls import path

from . import views

urlpatterns = [
    path("enter/<str:token>/", views.enter, name="portal-enter"),
    path("link/", views.ask_for_link, name="portal-link"),
    path("link/sent/", views.link_asked, name="portal-link-asked"),
    path("out/", views.leave, name="portal-out"),
    path("language/", views.choose_language, name="portal-language"),
]
