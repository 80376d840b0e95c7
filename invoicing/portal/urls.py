"""Addresses of invoices and payments, under /portal/."""

from django.urls import path

from . import documents, sandbox, views

urlpatterns = [
    path("", views.home, name="portal-home"),
    path("invoice/<uuid:public_id>/", views.invoice, name="portal-invoice"),
    path("invoice/<uuid:public_id>/pdf/", documents.invoice, name="portal-invoice-pdf"),
    path("pay/", views.pay, name="portal-pay"),
    path("payment/<int:attempt_id>/", views.outcome, name="portal-outcome"),
    path("receipt/<uuid:public_id>/", views.receipt, name="portal-receipt"),
    path("receipt/<uuid:public_id>/pdf/", documents.receipt, name="portal-receipt-pdf"),
    path("sandbox/", sandbox.hosted_page, name="portal-sandbox"),
]
