"""The addresses that providers call, below /callbacks/."""

from django.urls import path

from . import anymail, twilio, twilio_call

urlpatterns = [
    path("twilio/message/", twilio.message_status, name="hook-twilio-message"),
    path("twilio/message/<str:token>/", twilio.message_status, name="hook-twilio-message"),
    path("twilio/call/", twilio.call_status, name="hook-twilio-call"),
    path("twilio/call/<str:token>/", twilio.call_status, name="hook-twilio-call"),
    path("twilio/call/<str:token>/words/", twilio_call.words, name="hook-twilio-words"),
    path("twilio/call/<str:token>/key/", twilio_call.key, name="hook-twilio-key"),
    path("twilio/inbound/", twilio.inbound_text, name="hook-twilio-inbound"),
    path("email/<slug:provider>/tracking/", anymail.tracking, name="hook-email-tracking"),
    path("email/<slug:provider>/inbound/", anymail.incoming, name="hook-email-inbound"),
]
