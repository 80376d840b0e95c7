"""What a call says, as TwiML: the notice to a person, twice if no key is pressed; a short word to a machine.

Machines are heard by others than the person meant. So what is left there names the company, its number and
the account, and no sum and no reason.
"""

import re
from collections.abc import Sequence

from twilio.twiml.voice_response import Gather, VoiceResponse

# Amazon Polly's voices at Twilio: one for each language of contacts.
VOICES = {"en": ("en-US", "Polly.Joanna"), "es": ("es-MX", "Polly.Mia")}
WAIT_SECONDS = 6
READ_TIMES = 2
# XML has no place for these, and nobody can hear them.
_UNSPEAKABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_DIGITS = re.compile(r"\d")

MENU = {
    "en": "Press 1 for a text message with a link to pay. Press 2 to hear this again."
    " Press 9 if this number must not be called again.",
    "es": "Oprima 1 para recibir un mensaje de texto con un enlace para pagar. Oprima 2 para escuchar esto de nuevo."
    " Oprima 9 si no debemos volver a llamar a este número.",
}
BYE = {"en": "Goodbye.", "es": "Adiós."}
LINK_SENT = {
    "en": "The text message with your link is on its way to this number. Goodbye.",
    "es": "El mensaje de texto con su enlace va en camino a este número. Adiós.",
}
NO_LINK = {
    "en": "We cannot send a text message to this number.",
    "es": "No podemos enviar un mensaje de texto a este número.",
}
NOT_AGAIN = {
    "en": "This number will not be called by our system again. Goodbye.",
    "es": "Nuestro sistema no volverá a llamar a este número. Adiós.",
}
UNKNOWN_KEY = {"en": "That key has no meaning here.", "es": "Esa tecla no tiene función aquí."}
CALL_US = {"en": "Please call us on {phone}.", "es": "Por favor llámenos al {phone}."}
TO_A_MACHINE = {
    "en": "Hello, this is {company} with a message about account {account}.",
    "es": "Hola, le habla {company} con un mensaje sobre la cuenta {account}.",
}


def read_out(words: str, language: str) -> str:
    """Return TwiML that reads a text twice and hangs up."""
    response = VoiceResponse()
    for _ in range(READ_TIMES):
        _say(response, language, words)
        response.pause(length=1)
    return str(response)


def with_menu(words: str, language: str, key_address: str, *, first: str = "") -> str:
    """Return TwiML that reads a notice and what the keys do, twice, and takes a key at any moment."""
    response = VoiceResponse()
    if first:
        _say(response, language, first)
    for _ in range(READ_TIMES):
        asked = response.gather(num_digits=1, timeout=WAIT_SECONDS, action=key_address, method="POST")
        _say(asked, language, words)
        _say(asked, language, MENU[_known(language)])
    _say(response, language, BYE[_known(language)])
    return str(response)


def to_a_machine(language: str, *, company: str, phone: str, account: str) -> str:
    """Return TwiML for an answering machine: who called about which account, and nothing of money."""
    code = _known(language)
    words = [TO_A_MACHINE[code].format(company=company, account=slowly(account))]
    if phone:
        words += [CALL_US[code].format(phone=slowly(phone))] * READ_TIMES
    return say_and_end(words, language)


def say_and_end(words: Sequence[str], language: str) -> str:
    """Return TwiML that says some sentences and hangs up."""
    response = VoiceResponse()
    for sentence in words:
        _say(response, language, sentence)
    response.hangup()
    return str(response)


def nothing() -> str:
    """Return TwiML that hangs up."""
    response = VoiceResponse()
    response.hangup()
    return str(response)


def call_us(language: str, phone: str) -> list[str]:
    """Return the sentence with the company's number, if it has one."""
    return [CALL_US[_known(language)].format(phone=slowly(phone))] if phone else []


def in_language(words: dict[str, str], language: str) -> str:
    """Return a sentence in a contact's language, English where it is not spoken."""
    return words[_known(language)]


def slowly(text: str) -> str:
    """Return a number with its digits apart, so that they are read one by one."""
    return _DIGITS.sub(lambda digit: f"{digit[0]} ", text).strip()


def _known(language: str) -> str:
    code = language.partition("-")[0]
    return code if code in VOICES else "en"


def _say(into: VoiceResponse | Gather, language: str, words: str) -> None:
    locale, voice = VOICES[_known(language)]
    into.say(_UNSPEAKABLE.sub(" ", words), language=locale, voice=voice)
