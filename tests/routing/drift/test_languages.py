import pytest

from routing.drift.languages import LANGUAGES, SCRIPTS, language_of, script_of

SENTENCES = {
    "en": "Hello, where is my parcel? I ordered it on Monday and it has not arrived yet.",
    "de": "Guten Tag, wo ist mein Paket? Ich habe es am Montag bestellt und es ist noch nicht da.",
    "fr": "Bonjour, où est mon colis ? Je l'ai commandé lundi et il n'est pas encore arrivé chez nous.",
    "es": "Hola, ¿dónde está mi paquete? Lo pedí el lunes y no ha llegado todavía a mi casa.",
    "it": "Buongiorno, dove è il mio pacco? Lo ho ordinato lunedì e non è ancora arrivato per posta.",
    "pt": "Olá, onde está o meu pacote? Eu encomendei na segunda e ainda não chegou em minha casa.",
    "nl": "Hallo, waar is mijn pakket? Ik heb het maandag besteld en het is er nog niet.",
    "pl": "Dzień dobry, gdzie jest moja paczka? Zamówiłem ją w poniedziałek i nie ma jej do dziś.",
    "sv": "Hej, var är mitt paket? Jag har beställt det i måndags och det har inte kommit.",
    "tr": "Merhaba, benim paketim nerede? Pazartesi günü sipariş verdim ama daha gelmedi, çok bekledim.",
    "ru": "Здравствуйте, где моя посылка? Я заказал её в понедельник, и она ещё не пришла ко мне.",
    "uk": "Добрий день, де мій пакунок? Я замовив його в понеділок, та він ще не прийшов до мене.",
    "el": "Καλησπέρα, πού είναι το δέμα μου;",
    "he": "שלום, איפה החבילה שלי?",
    "ar": "مرحبا، أين طردي؟",
    "hi": "नमस्ते, मेरा पार्सल कहाँ है?",
    "th": "สวัสดี พัสดุของฉันอยู่ที่ไหน",
    "ko": "안녕하세요, 제 소포는 어디에 있나요?",
    "ja": "こんにちは、私の荷物はどこですか？",
    "zh": "你好，我的包裹在哪里？",
}


@pytest.mark.parametrize("language", sorted(SENTENCES))
def test_a_sentence_is_recognised(language: str) -> None:
    text = SENTENCES[language]
    words = text.lower().replace("'", " ").replace("?", " ").replace(",", " ").replace(".", " ").split()
    assert language_of(words, script_of(text)) == language


@pytest.mark.parametrize("text", ["", "4711", "🙂🙂", "\ud800", "....", "x", "Ⴀ", "ᚠᚢ"])
def test_what_is_no_text_has_a_category_too(text: str) -> None:
    script = script_of(text)
    assert script in SCRIPTS
    assert language_of(text.split(), script) in {*LANGUAGES, None}


def test_a_name_in_another_script_does_not_change_the_script_of_a_text() -> None:
    assert script_of("Please send it to 東京, thank you very much") == "latin"


def test_one_short_word_alone_is_no_language() -> None:
    assert language_of(["die"], "latin") is None
