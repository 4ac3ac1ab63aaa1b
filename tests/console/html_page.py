"""A page as a browser without scripts has it: its words, links, and forms to fill and send."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit

from httpx import Response
from starlette.testclient import TestClient

_VOID = frozenset({"input", "link", "meta", "br", "img", "hr"})
Attributes = dict[str, str]


@dataclass
class Element:
    tag: str
    attributes: Attributes
    within: list[Attributes]
    text: str = ""
    form: Form | None = None


@dataclass
class Form:
    """*fields*: name and value, as they would be sent. *buttons* likewise."""

    attributes: Attributes
    page: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    buttons: list[tuple[str, str]] = field(default_factory=list)

    @property
    def action(self) -> str:
        return urljoin(self.page, self.attributes.get("action") or self.page)

    def fill(self, **values: Any) -> Form:
        """``strategy__retries=3``: dots as two underscores. None: not sent. A list: one each."""
        return self.put({name.replace("__", "."): value for name, value in values.items()})

    def put(self, values: dict[str, Any]) -> Form:
        fields = [(name, text) for name, text in self.fields if name not in values]
        for name, value in values.items():
            texts = value if isinstance(value, list) else [] if value is None else [value]
            fields += [(name, str(text)) for text in texts]
        return Form(self.attributes, self.page, fields, self.buttons)

    def value(self, name: str) -> str:
        return next((text for found, text in self.fields if found == name), "")

    def send(
        self,
        client: TestClient,
        files: list[tuple[str, bytes]] | None = None,
        button: tuple[str, str] | None = None,
    ) -> Response:
        assert self.attributes.get("method") == "post"
        fields = [*self.fields, *([button] if button else [])]
        data: dict[str, list[str]] = {}
        for name, text in fields:
            data.setdefault(name, []).append(text)
        if self.attributes.get("enctype") == "multipart/form-data":
            parts = [("files", (name, body)) for name, body in files or [("", b"")]]
            answer: Response = client.post(self.action, data=data, files=parts)
        else:
            answer = client.post(self.action, data=data)
        return answer


class Page(HTMLParser):
    """*elements* in their order."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.status = response.status_code
        self.source = response.text
        self.url = urlsplit(str(response.url)).path
        self.query = urlsplit(str(response.url)).query
        self.elements: list[Element] = []
        self.forms: list[Form] = []
        self._open: list[Element] = []
        self.feed(response.text)
        self.close()
        assert not self._open, f"not closed: {[each.tag for each in self._open]}"
        for form in self.forms:
            form.fields = list(_fields(self, form))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        assert len(attributes) == len(attrs), f"an attribute twice: {attrs}"
        self.handle_data(" ")
        element = Element(tag, attributes, [each.attributes for each in self._open])
        if tag == "form":
            action = self.url + (f"?{self.query}" if self.query else "")
            element.form = Form(attributes, action)
            self.forms.append(element.form)
        else:
            element.form = self._open[-1].form if self._open else None
        self.elements.append(element)
        if tag not in _VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self._open and self._open[-1].tag == tag, (
            f"</{tag}> within {[each.tag for each in self._open]}"
        )
        self._open.pop()
        self.handle_data(" ")

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data

    def all(self, tag: str, **attributes: str) -> list[Element]:
        wanted = {name.replace("_", "-"): value for name, value in attributes.items()}
        return [
            each
            for each in self.elements
            if each.tag == tag and all(each.attributes.get(k) == v for k, v in wanted.items())
        ]

    def one(self, tag: str, **attributes: str) -> Element:
        found = self.all(tag, **attributes)
        assert len(found) == 1, f"{len(found)} of {tag} {attributes}"
        return found[0]

    @property
    def text(self) -> str:
        """All that is read, in words."""
        return " ".join(self.one("body").text.split())

    @property
    def title(self) -> str:
        return " ".join(self.one("h1").text.split())

    def form_to(self, action: str = "") -> Form:
        """The form that is sent there; to the page itself, where nothing is said."""
        found = [f for f in self.forms if f.attributes.get("action", "") == action]
        assert len(found) == 1, [f.attributes for f in self.forms]
        return found[0]

    def wrong(self) -> dict[str, str]:
        """Field and what is wrong with it, as it is told beside the field."""
        found = {}
        for element in self.elements:
            if element.attributes.get("aria-invalid") == "true":
                ids = element.attributes["aria-describedby"].split()
                told = [self.one("span", id=one).text for one in ids if one.endswith("-wrong")]
                name = element.attributes.get("name") or element.attributes.get("id", "")
                found[name] = " ".join(told)
        return found

    def summary(self) -> list[str]:
        """What is wrong, as it is told above the form."""
        found = [each for each in self.elements if each.attributes.get("id") == "summary"]
        return (
            [" ".join(e.text.split()) for e in self.all("li") if _is_in(e, "summary")]
            if found
            else []
        )


def _is_in(element: Element, box: str) -> bool:
    return any(each.get("id") == box for each in element.within)


def _fields(page: Page, form: Form) -> Any:
    """As a browser would send them: no buttons, no files, nothing of a template."""
    for at, element in enumerate(page.elements):
        if element.form is not form or any("data-row" in each for each in element.within):
            continue
        name, kind = element.attributes.get("name"), element.attributes.get("type", "")
        if element.tag == "button":
            form.buttons.append((name or "", element.attributes.get("value", "")))
        elif name is None:
            continue
        elif element.tag == "input" and kind in ("checkbox", "radio"):
            if "checked" in element.attributes:
                yield name, element.attributes.get("value", "on")
        elif element.tag == "input" and kind != "file":
            yield name, element.attributes.get("value", "")
        elif element.tag == "textarea":
            yield name, element.text.removeprefix("\n").replace("\n", "\r\n")
        elif element.tag == "select":
            yield name, _chosen(page.elements[at + 1 :])


def _chosen(behind: list[Element]) -> str:
    options = []
    for element in behind:
        if element.tag != "option":
            break
        options.append(element)
    chosen = [each for each in options if "selected" in each.attributes]
    return (chosen or options)[0].attributes.get("value", "") if options else ""


def get(client: TestClient, url: str) -> Page:
    """Where it leads to in the end."""
    response = client.get(url, follow_redirects=True)
    return Page(response)


def after(client: TestClient, response: Response) -> Page:
    """The page that a browser shows then."""
    if response.status_code == 303:
        return get(client, response.headers["location"])
    return Page(response)
