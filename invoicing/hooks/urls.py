"""The addresses that payment gateways call, below /callbacks/."""

from django.urls import path

from . import stripe

urlpatterns = [path("stripe/", stripe.report, name="hook-stripe")]
