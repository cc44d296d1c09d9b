"""Addresses of this app."""

from django.urls import path

from sms.views import compose, conversation, job, templates
from sms.views.list import ConversationList

app_name = "sms"

urlpatterns = [
    path("sms/", ConversationList.as_view(), name="list"),
    path("sms/templates/", templates.template_list, name="templates"),
    path("sms/templates/new/", templates.edit, name="template_new"),
    path("sms/templates/text/", templates.text, name="template_text"),
    path("sms/templates/<int:pk>/", templates.edit, name="template"),
    path("sms/templates/<int:pk>/delete/", templates.delete, name="template_delete"),
    path("sms/jobs/<int:pk>/", job.live, name="job"),
    path("sms/<str:giccid>/", conversation.conversation, name="conversation"),
    path("sms/<str:giccid>/messages/", conversation.live, name="live"),
    path("sims/<str:giccid>/sms/", compose.compose_message, name="compose"),
    path("sims/<str:giccid>/sms/count/", compose.count, name="count"),
    path("sims/<str:giccid>/sms/text/", compose.text, name="text"),
]
