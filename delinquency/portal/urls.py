"""Addresses of the delinquency room's pages, under /portal/."""

from django.urls import path

from . import captive, dispute, garden, tickets, time, views

urlpatterns = [
    path("captive", captive.captive, name="portal-captive"),
    path("garden/", views.garden, name="portal-garden"),
    path("garden/pay/", garden.pay, name="portal-garden-pay"),
    path("garden/payment/<uuid:press>/", garden.payment, name="portal-garden-payment"),
    path("garden/<path:anything>", views.garden),
    path("dispute/", dispute.dispute, name="portal-dispute"),
    path("dispute/<uuid:public_id>/", dispute.dispute, name="portal-dispute"),
    path("time/", time.more_time, name="portal-time"),
    path("tickets/", tickets.index, name="portal-tickets"),
    path("tickets/new/", tickets.ask, name="portal-ask"),
    path("tickets/<str:number>/", tickets.ticket, name="portal-ticket"),
    path("tickets/<str:number>/solved/", tickets.solved, name="portal-ticket-solved"),
]
