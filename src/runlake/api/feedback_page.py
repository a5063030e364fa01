"""The two small pages behind a link that takes feedback: one asks, one thanks."""

from __future__ import annotations

from html import escape
from string import Template
from typing import Final

from runlake.model.feedback_config import Category, FeedbackType
from runlake.model.feedback_token import FeedbackToken
from runlake.wire.feedback_configs import read_scale_text

_PAGE: Final = Template("""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Feedback</title>
<style>
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
main { max-width: 28rem; margin: 15vh auto 0; padding: 0 1rem; }
label, textarea { display: block; width: 100%; box-sizing: border-box; }
textarea { margin: .25rem 0 1rem; font: inherit; }
button { font: inherit; padding: .5rem 1rem; margin-right: .5rem; }
</style>
<main>
<h1>$title</h1>
$content
</main>
</html>
""")

_FORM: Final = Template("""<form method="post">
<p>Your judgement of: <strong>$key</strong></p>
<label>Comment <textarea name="comment" rows="4" maxlength="10000"></textarea></label>
$buttons
</form>""")
_GOOD_OR_BAD: Final = (Category(1, "Good"), Category(0, "Bad"))
_MAX_BUTTONS: Final = 20


def ask_page(token: FeedbackToken) -> str:
    """HTML that asks for a judgement and sends it to its own address; each category of the token is a button."""
    scale = None if token.feedback_config is None else read_scale_text(token.feedback_config)
    if scale is not None and scale.type is FeedbackType.FREEFORM:
        buttons = "<button>Send</button>"
    else:
        categories = (scale.categories if scale is not None else None) or _GOOD_OR_BAD
        buttons = "\n".join(_button(category) for category in categories[:_MAX_BUTTONS])
    return _PAGE.substitute(title="How was it?", content=_FORM.substitute(key=escape(token.key), buttons=buttons))


def _button(category: Category) -> str:
    score = repr(category.value).removesuffix(".0")
    return f'<button name="score" value="{score}">{escape(category.label or score)}</button>'


def thanks_page(token: FeedbackToken) -> str:
    """HTML that says the judgement is stored."""
    content = f"<p>Your feedback on <strong>{escape(token.key)}</strong> is stored. You may close this page.</p>"
    return _PAGE.substitute(title="Thank you", content=content)
