"""Addresses of this app."""

from django.urls import path

from notifications import urls_receiver
from notifications.views import centre, centre_acts, deliveries, forwards, pushes, rules, sources

app_name = "notifications"

urlpatterns = [
    path("notifications/", centre.Centre.as_view(), name="centre"),
    path("notifications/<int:pk>/", centre.line, name="line"),
    path("notifications/read-all/", centre_acts.read_all, name="read_all"),
    path("notifications/act/<slug:name>/", centre_acts.act, name="act"),
    path("pushes/", pushes.PushList.as_view(), name="pushes"),
    path("pushes/<int:pk>/", pushes.detail, name="push"),
    path("pushes/<int:pk>/replay/", pushes.replay, name="replay"),
    path("pushes/replay/", pushes.replay_all, name="replay_all"),
    path("pushes/sources/", sources.source_list, name="sources"),
    path("pushes/sources/new/", sources.new, name="source_new"),
    path("pushes/sources/<int:pk>/", sources.detail, name="source"),
    path("pushes/sources/<int:pk>/rotate/", sources.rotate, name="source_rotate"),
    path("pushes/sources/<int:pk>/end-previous/", sources.end_previous, name="source_end_previous"),
    path("pushes/sources/<int:pk>/key/", sources.key, name="source_key"),
    path("notifications/rules/", rules.RuleList.as_view(), name="rules"),
    path("notifications/rules/new/", rules.new, name="rule_new"),
    path("notifications/rules/sentence/", rules.sentence, name="rule_sentence"),
    path("notifications/rules/<int:pk>/", rules.detail, name="rule"),
    path("notifications/rules/<int:pk>/edit/", rules.edit, name="rule_edit"),
    path("notifications/rules/<int:pk>/trial/", rules.try_it, name="rule_trial"),
    path("notifications/rules/<int:pk>/switch/", rules.switch, name="rule_switch"),
    path("notifications/rules/<int:pk>/allow/", rules.allow, name="rule_allow"),
    path("notifications/rules/<int:pk>/delete/", rules.delete, name="rule_delete"),
    path("notifications/forwards/", forwards.list_page, name="forwards"),
    path("notifications/forwards/new/", forwards.new, name="forward_new"),
    path("notifications/forwards/<int:pk>/", forwards.edit, name="forward"),
    path("notifications/forwards/<int:pk>/key/", forwards.rotate, name="forward_key"),
    path("notifications/forwards/<int:pk>/end-key/", forwards.end_key, name="forward_end_key"),
    path("notifications/forwards/<int:pk>/test/", forwards.send_test, name="forward_test"),
    path("notifications/forwards/<int:pk>/delete/", forwards.delete, name="forward_delete"),
    path("notifications/deliveries/", deliveries.DeliveryList.as_view(), name="deliveries"),
    path("notifications/deliveries/<int:pk>/", deliveries.detail, name="delivery"),
    path("notifications/deliveries/<int:pk>/resend/", deliveries.resend, name="delivery_resend"),
    *urls_receiver.urlpatterns,
]
