# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import io
import shutil
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest
from PyQt6.QtCore import QCoreApplication, QLocale, QTranslator
from PyQt6.QtWidgets import QPushButton
from support import update_translations
from support.scripted_program import WHOLE_STORY, ScriptedProgram
from support.windows import mnemonics, wait_until

from kwallet_bridge.gui.access import AccessDialog
from kwallet_bridge.gui.languages import TRANSLATIONS, install_own
from kwallet_bridge.gui.offer import offer_texts
from kwallet_bridge.gui.password import PasswordWindow
from kwallet_bridge.gui.status import StatusWindow
from kwallet_bridge.gui.wizard import MigrationAssistant
from kwallet_bridge.question import PasswordQuestion, Purpose, Question, WaitingProgram

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from PyQt6.QtWidgets import QApplication, QWidget

pytestmark = pytest.mark.usefixtures("application")

LANGUAGES = ("de", "en")
QUESTION = Question("kdewallet", "kmail", 4711, "/usr/bin/kmail", "")


def messages(place: Path) -> list[tuple[str, ET.Element]]:
    """Give every message of a .ts file with its context."""
    root = ET.parse(place).getroot()  # noqa: S314  our own file
    return [
        (context.findtext("name", ""), message)
        for context in root.iter("context")
        for message in context.iter("message")
    ]


def source_of(message: ET.Element) -> str:
    """Give the English text."""
    return message.findtext("source", "")


def forms(message: ET.Element) -> list[str]:
    """Give the translation, or its plural forms."""
    translation = message.find("translation")
    assert translation is not None
    several = [each.text or "" for each in translation.iter("numerusform")]
    return several or [translation.text or ""]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_translation_files_are_those_of_the_source(tmp_path: Path, language: str) -> None:
    """Extracting the texts anew changes nothing: none is new, none is left over."""
    committed = TRANSLATIONS / f"kwallet-bridge_{language}.ts"
    copy = tmp_path / committed.name
    shutil.copy(committed, copy)
    update_translations.extract(copy)
    assert copy.read_text("utf-8") == committed.read_text("utf-8")


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_lacks_a_translation(language: str) -> None:
    """Every message is finished, with all plural forms, and keeps its places and its mnemonic."""
    found = messages(TRANSLATIONS / f"kwallet-bridge_{language}.ts")
    assert len(found) > (100 if language == "de" else 3)
    for _, message in found:
        translation = message.find("translation")
        assert translation is not None
        assert translation.get("type") is None, source_of(message)
        texts = forms(message)
        assert len(texts) == (2 if message.get("numerus") == "yes" else 1)
        for text in texts:
            assert text, source_of(message)
            for place in ("%1", "%2", "%3"):
                assert (place in text) == (place in source_of(message)), text
            assert ("&" in text) == ("&" in source_of(message)), text


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_compiled_file_is_that_of_the_translations(language: str) -> None:
    """Each message is translated by the .qm file as the .ts file says."""
    translator = QTranslator()
    assert translator.load(str(TRANSLATIONS / f"kwallet-bridge_{language}.qm"))
    QCoreApplication.installTranslator(translator)
    for context, message in messages(TRANSLATIONS / f"kwallet-bridge_{language}.ts"):
        numbers = (1, 2) if message.get("numerus") == "yes" else (-1,)
        source = source_of(message)
        told = [QCoreApplication.translate(context, source, "", each) for each in numbers]
        wanted = [
            form.replace("%n", str(number))
            for form, number in zip(forms(message), numbers, strict=True)
        ]
        assert told == wanted
    QCoreApplication.removeTranslator(translator)


@pytest.fixture
def german(application: QApplication) -> Iterator[QApplication]:
    """The application in German; translators are removed again."""
    before = set(application.findChildren(QTranslator))
    english = QLocale()
    QLocale.setDefault(QLocale("de_DE"))
    install_own(application, QLocale())
    yield application
    QLocale.setDefault(english)
    for translator in set(application.findChildren(QTranslator)) - before:
        application.removeTranslator(translator)


def test_the_windows_speak_german(german: QApplication) -> None:
    """With a German locale a window is German, and numbers have their singular."""
    dialog = AccessDialog(QUESTION, answers=io.StringIO())
    assert dialog.windowTitle() == "Zugriff auf eine Brieftasche"
    assert offer_texts(1).body.startswith("Eine von KDEs Brieftaschendateien")
    dialog.close()


def test_a_language_we_do_not_have_is_english(application: QApplication) -> None:
    """With a French locale texts are English, with English plurals."""
    translator_count = len(application.findChildren(QTranslator))
    install_own(application, QLocale("fr_FR"))
    (added,) = application.findChildren(QTranslator)[translator_count:]
    text = added.translate("ResultPage", "%n entries were there already.", "", 1)
    assert text == "%n entry was there already."
    application.removeTranslator(added)


def windows(folder: Path) -> Iterator[QWidget]:
    """Show each window, and the assistant at its fullest page."""
    dialog = AccessDialog(QUESTION, answers=io.StringIO())
    dialog.show()
    yield dialog
    dialog.close()
    for purpose in Purpose:
        waiting = WaitingProgram("kmail", "/usr/bin/kmail", "org.kde.kmail")
        asked_for = (waiting, WaitingProgram("", application="org.example.App"))
        question = PasswordQuestion(
            purpose, "kdewallet", asked_for, 2, least=4, may_start_without=True
        )
        asking = PasswordWindow(question, answers=io.StringIO())
        asking.show()
        yield asking
        asking.close()
    program = ScriptedProgram(folder, [(["status"], []), (["monitor"], [["hang"]])])
    status = StatusWindow(program=program.command)
    status.show()
    yield status
    status.close()
    assistant = MigrationAssistant(program=ScriptedProgram(folder, WHOLE_STORY).command)
    assistant.show()
    wait_until(assistant.found.isComplete)
    assistant.next()
    wait_until(assistant.plan.asking.isVisible)
    yield assistant
    assistant.reject()


@pytest.mark.parametrize("language", ["en", "de"])
def test_no_two_controls_share_a_letter(
    tmp_path: Path, request: pytest.FixtureRequest, language: str
) -> None:
    """In each window, in each language, every underlined letter means one thing."""
    if language == "de":
        request.getfixturevalue("german")
    for window in windows(tmp_path):
        letters = mnemonics(window)
        assert len(letters) == len(set(letters)), (type(window).__name__, sorted(letters))
        assert len(letters) >= 3


def test_no_button_needs_the_translations_of_qt(tmp_path: Path, german: QApplication) -> None:
    """Where only our own translations are installed every button is German all the same."""
    words = {
        button.text().replace("&", "")
        for window in windows(tmp_path)
        for button in window.findChildren(QPushButton)
        if button.text()
    }
    assert {"Abbrechen", "Schließen", "Abschließen", "Zurück", "Weiter"} <= words
    assert not words & {"Cancel", "Close", "Finish", "Back", "Next", "< Back", "Next >", "Commit"}
