"""The texts of letters: list, editor, preview with real accounts, publishing, versions, and a test to oneself."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from accounts.models import Account, NoticeTemplate, NoticeTemplateVersion
from accounts.outreach import editing
from accounts.outreach.editing import Place
from accounts.outreach.letterbook import CHANNELS, LANGUAGES, LETTERS
from accounts.outreach.preview import (
    accounts_numbered,
    difference,
    preview,
    telling_accounts,
    uses_of_letters,
)
from accounts.outreach.rendering import Text
from accounts.outreach.sandbox import filter_words, foreign_links
from billing_project.kernel.errors import Refused

from .base import DeskAdmin, number_of, staff_user
from .fresh import ask_for_proof
from .template_forms import AccountsForm, PublishForm, TestForm, TextForm, example_length, own_hosts, price_of
from .template_list import CHANNEL_WORDS, URGENCY_WORDS, address, rows_of

State = NoticeTemplateVersion.State


@admin.register(NoticeTemplate)
class NoticeTemplateAdmin(DeskAdmin):
    """The texts of all letters; those nobody has edited are shown as they ship."""

    may_add = False

    def get_urls(self) -> list[URLPattern]:
        """Add the pages of a text, which need no row in the database."""
        where = "text/<slug:key>/<slug:channel>/<slug:language>/"
        pages = (
            ("text", "", self.text_view),
            ("preview", "preview/", self.preview_view),
            ("publish", "publish/", self.publish_view),
            ("test", "test/", self.test_view),
            ("discard", "discard/", self.discard_view),
            ("version", "versions/<int:number>/", self.version_view),
        )
        own = [
            path(where + tail, self.admin_site.admin_view(view), name=f"accounts_noticetemplate_{name}")
            for name, tail, view in pages
        ]
        return [*own, *super().get_urls()]

    def has_publish_permission(self, request: HttpRequest) -> bool:
        """Tell whether the user may make a text live."""
        return bool(request.user.has_perm("accounts.publish_noticetemplate"))

    # --- the list ---

    def changelist_view(self, request: HttpRequest, _extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show every letter with its texts by channel and language."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        words = request.GET.get("q", "").strip()[:60]
        kinds = [kind for kind in LETTERS.values() if words.lower() in f"{kind.title} {kind.key} {kind.when}".lower()]
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts, "title": "Templates", "rows": rows_of(kinds), "words": words,
            "channels": [CHANNEL_WORDS[name] for name in CHANNELS],
            "nothing_edited": not NoticeTemplateVersion.objects.filter(state=State.PUBLISHED).exists(),
        }  # fmt: skip
        return TemplateResponse(request, "admin/template_list.html", context)

    def change_view(
        self, request: HttpRequest, object_id: str, _form_url: str = "", _extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the editor for a text that has a row."""
        row = NoticeTemplate.objects.filter(pk=number_of(object_id)).first()
        if row is None:
            raise Http404(f"There is no template {object_id}.")
        return self.text_view(request, row.key, row.channel, row.language)

    # --- the editor ---

    def text_view(self, request: HttpRequest, key: str, channel: str, language: str) -> HttpResponse:
        """Show a text with its variables; on POST keep it as a draft, and show the preview if that is wanted."""
        place = self._place(request, key, channel, language)
        live, draft = place.live, _draft(place)
        text = Text(draft.subject, draft.body) if draft else live
        may_change = self.has_change_permission(request)
        form = TextForm(place=place, initial={"subject": text.subject, "body": text.body})
        if request.method == "POST":
            if not may_change:
                raise PermissionDenied
            form = TextForm(request.POST, place=place)
            text = form.typed
            if form.is_valid():
                return self._kept(request, place, text, live)
        context = {
            **self._context(request, place),
            "form": form, "may_change": may_change, "draft": draft, "live": live,
            "variables": [(one, one.example_in(language)) for one in place.kind.variables],
            "filters": filter_words(), "length": example_length(place, text), "versions": _versions(place),
            "foreign": [] if form.errors else _foreign(text, request),
            "uses": uses_of_letters().get(key, ()), "live_differs": draft is not None,
        }  # fmt: skip
        return TemplateResponse(request, "admin/template_edit.html", context)

    def _kept(self, request: HttpRequest, place: Place, text: Text, live: Text) -> HttpResponse:
        changed = (text.subject, text.body) != (live.subject, live.body)
        if changed or _draft(place):
            editing.save_draft(place, text, by=staff_user(request))
        if request.POST.get("do") == "preview":
            return HttpResponseRedirect(address(place, "preview"), status=303)
        said = "The draft is kept. Nothing of it goes out before it is published."
        messages.success(request, said if changed else "Nothing was changed: the text is the one that is live.")
        return HttpResponseRedirect(address(place), status=303)

    def discard_view(self, request: HttpRequest, key: str, channel: str, language: str) -> HttpResponse:
        """Throw the draft away."""
        place = self._place(request, key, channel, language)
        if not self.has_change_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            self._run(request, lambda: editing.discard_draft(place, by=staff_user(request)), "The draft is gone.")
        return HttpResponseRedirect(address(place), status=303)

    # --- preview, publish, test ---

    def preview_view(self, request: HttpRequest, key: str, channel: str, language: str) -> HttpResponse:
        """Show the draft, or else what is live, for three real accounts."""
        place = self._place(request, key, channel, language)
        return self._preview(request, place)

    def _preview(
        self,
        request: HttpRequest,
        place: Place,
        *,
        publish_form: PublishForm | None = None,
        test_form: TestForm | None = None,
    ) -> HttpResponse:
        draft, live = _draft(place), place.live
        text = Text(draft.subject, draft.body, draft.number) if draft else live
        chosen, accounts_form = _chosen(request)
        previews = [
            preview(place, text, account, situation=words, price=price_of(account, place.channel))
            for words, account in chosen
        ]
        numbers = [shown.account.number for shown in previews]
        context = {
            **self._context(request, place),
            "draft": draft, "live": live, "text": text, "previews": previews, "accounts_form": accounts_form,
            "some_accounts": _some_accounts(),
            "publish_form": publish_form or PublishForm(initial={"seen": editing.fingerprint(text)}),
            "test_form": test_form or TestForm(place=place, user=staff_user(request), numbers=numbers),
            "may_publish": self.has_publish_permission(request), "foreign": _foreign(text, request),
            "subject_pieces": difference(live.subject, text.subject) if draft else (),
            "body_pieces": difference(live.body, text.body) if draft else (),
        }  # fmt: skip
        return TemplateResponse(request, "admin/template_preview.html", context)

    def publish_view(self, request: HttpRequest, key: str, channel: str, language: str) -> HttpResponse:
        """Make the draft live."""
        place = self._place(request, key, channel, language)
        if not self.has_publish_permission(request):
            raise PermissionDenied
        if request.method == "POST" and (asked := ask_for_proof(request)) is not None:
            return asked
        if request.method != "POST":
            return HttpResponseRedirect(address(place, "preview"), status=303)
        form = PublishForm(request.POST)
        if form.is_valid():
            try:
                done = editing.publish(
                    place, note=form.cleaned_data["note"], seen=form.cleaned_data["seen"], by=staff_user(request)
                )
            except Refused as refusal:
                form.add_error("note", refusal.words)
            else:
                messages.success(
                    request,
                    f"Version {done.number} is live. Letters written from now on use it; those that wait keep theirs.",
                )
                return HttpResponseRedirect(address(place), status=303)
        return self._preview(request, place, publish_form=form)

    def test_view(self, request: HttpRequest, key: str, channel: str, language: str) -> HttpResponse:
        """Send what the preview shows for one account to the member of staff who asks."""
        place = self._place(request, key, channel, language)
        if request.method != "POST":
            return HttpResponseRedirect(address(place, "preview"), status=303)
        user = staff_user(request)
        form = TestForm(request.POST, place=place, user=user, numbers=request.POST.getlist("account")[:1])
        if form.is_valid():
            account = accounts_numbered([form.cleaned_data["account"]]).get(form.cleaned_data["account"])
            draft = _draft(place)
            text = Text(draft.subject, draft.body) if draft else place.live
            try:
                if account is None:
                    raise Refused("no_account", "There is no such account. Choose one of those shown.")
                shown = preview(place, text, account)
                if shown.letter is None:
                    raise Refused("template_error", shown.refused)
                sender = account.company.email_sender if place.channel == "email" else account.company.sms_sender
                done = editing.send_test(place, shown.letter, to_address=form.to_address, by=user, sender=sender)
            except Refused as refusal:
                form.add_error(None, refusal.words)
            else:
                messages.success(request, done)
                shown_too = urlencode({"account_1": account.number})
                return HttpResponseRedirect(f"{address(place, 'preview')}?{shown_too}", status=303)
        return self._preview(request, place, test_form=form)

    # --- versions ---

    def version_view(self, request: HttpRequest, key: str, channel: str, language: str, number: int) -> HttpResponse:
        """Show an older version beside what is live; on POST bring it back. Number 0 is the shipped text."""
        place = self._place(request, key, channel, language)
        live = place.live
        row = NoticeTemplateVersion.objects.filter(
            template__key=key, template__channel=channel, template__language=language, number=number,
            state=State.PUBLISHED,
        ).first()  # fmt: skip
        if number and row is None:
            raise Http404(f"There is no published version {number} of this text.")
        text = Text(row.subject, row.body, number) if row else place.shipped
        form = PublishForm(request.POST or None)
        if request.method == "POST":
            if not self.has_publish_permission(request):
                raise PermissionDenied
            if (asked := ask_for_proof(request)) is not None:
                return asked
            if form.is_valid():
                try:
                    done = editing.bring_back(place, number, note=form.cleaned_data["note"], by=staff_user(request))
                except Refused as refusal:
                    form.add_error("note", refusal.words)
                else:
                    messages.success(request, f"It is live again, as version {done.number}.")
                    return HttpResponseRedirect(address(place), status=303)
        context = {
            **self._context(request, place),
            "row": row, "number": number, "text": text, "live": live, "form": form,
            "is_live": (text.subject, text.body) == (live.subject, live.body),
            "may_publish": self.has_publish_permission(request),
            "subject_pieces": difference(live.subject, text.subject),
            "body_pieces": difference(live.body, text.body),
        }  # fmt: skip
        return TemplateResponse(request, "admin/template_version.html", context)

    # --- what all pages share ---

    def _place(self, request: HttpRequest, key: str, channel: str, language: str) -> Place:
        if not self.has_view_permission(request):
            raise PermissionDenied
        place = editing.place_of(key, channel, language)
        if place is None:
            raise Http404(f"There is no letter {key} by {channel} in {language}.")
        return place

    def _context(self, request: HttpRequest, place: Place) -> dict[str, Any]:
        title = f"{place.kind.title}: {CHANNEL_WORDS[place.channel]}, {LANGUAGES[place.language]}"
        return {
            **self.admin_site.each_context(request),
            "opts": self.opts, "title": title, "place": place, "urgency": URGENCY_WORDS[place.kind.urgency],
            "channel_words": CHANNEL_WORDS[place.channel], "language_words": LANGUAGES[place.language],
            "list_url": reverse("admin:accounts_noticetemplate_changelist"), "text_url": address(place),
            "preview_url": address(place, "preview"), "publish_url": address(place, "publish"),
            "test_url": address(place, "test"), "discard_url": address(place, "discard"),
            "shipped_url": address(place, "version", number=0), "others": _others(place),
        }  # fmt: skip

    def _run(self, request: HttpRequest, act: Any, said: str) -> None:
        try:
            act()
        except Refused as refusal:
            messages.error(request, refusal.words)
        else:
            messages.success(request, said)


def _draft(place: Place) -> NoticeTemplateVersion | None:
    return NoticeTemplateVersion.objects.filter(
        template__key=place.kind.key, template__channel=place.channel, template__language=place.language,
        state=State.DRAFT,
    ).select_related("changed_by").first()  # fmt: skip


def _versions(place: Place) -> list[tuple[NoticeTemplateVersion, str]]:
    rows = NoticeTemplateVersion.objects.filter(
        template__key=place.kind.key, template__channel=place.channel, template__language=place.language,
        state=State.PUBLISHED,
    ).select_related("published_by")  # fmt: skip
    return [(row, address(place, "version", number=row.number)) for row in rows.order_by("-number")[:50]]


def _others(place: Place) -> list[tuple[str, str, bool]]:
    """Return the same letter's other texts: words, address, and whether it is the one that is shown."""
    return [
        (f"{CHANNEL_WORDS[channel]}, {name}", address(Place(place.kind, channel, language)),
         (channel, language) == (place.channel, place.language))
        for channel in place.kind.channels
        for language, name in LANGUAGES.items()
    ]  # fmt: skip


def _foreign(text: Text, request: HttpRequest) -> list[str]:
    return foreign_links(text.body, own_hosts(request.get_host()))


def _chosen(request: HttpRequest) -> tuple[list[tuple[str, Any]], AccountsForm]:
    """Return the accounts to show: those that were asked for, or three that differ."""
    if any(request.GET.get(name) for name in AccountsForm.base_fields):
        form = AccountsForm(request.GET)
        if form.is_valid():
            return [("", account) for account in form.accounts], form
        return telling_accounts(), form
    found = telling_accounts()
    form = AccountsForm(initial={f"account_{place}": row.number for place, (_words, row) in enumerate(found, 1)})
    return found, form


def _some_accounts() -> list[tuple[str, str]]:
    """Return numbers and names to choose from; any other number may be typed."""
    return list(Account.objects.filter(closed_on__isnull=True).order_by("number").values_list("number", "name")[:50])
