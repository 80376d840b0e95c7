"""Addresses of invoices, payments and cards, under /portal/."""

from django.urls import path

from . import cards, documents, paying, sandbox, views

urlpatterns = [
    path("", views.home, name="portal-home"),
    path("bills/", views.bills, name="portal-bills"),
    path("receipts/", views.receipts, name="portal-receipts"),
    path("invoice/<uuid:public_id>/", views.invoice, name="portal-invoice"),
    path("invoice/<uuid:public_id>/pdf/", documents.invoice, name="portal-invoice-pdf"),
    path("pay/", paying.pay, name="portal-pay"),
    path("pay/check/", paying.check, name="portal-check"),
    path("payment/<int:attempt_id>/", paying.outcome, name="portal-outcome"),
    path("receipt/<uuid:public_id>/", views.receipt, name="portal-receipt"),
    path("receipt/<uuid:public_id>/pdf/", documents.receipt, name="portal-receipt-pdf"),
    path("cards/", cards.index, name="portal-cards"),
    path("cards/add/", cards.add, name="portal-card-add"),
    path("cards/added/<uuid:once>/", cards.added, name="portal-card-added"),
    path("cards/automatic/", cards.autopay, name="portal-autopay"),
    path("cards/<int:source_id>/first/", cards.first, name="portal-card-first"),
    path("cards/<int:source_id>/remove/", cards.remove, name="portal-card-remove"),
    path("sandbox/", sandbox.hosted_page, name="portal-sandbox"),
]
