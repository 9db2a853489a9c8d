"""Headphones, earphones, their spare parts and speakers: model numbers that differ in one digit."""

from __future__ import annotations

from middleware.catalog.demo.shelf import Pitch, Shelf

# brand, model, year, price, colours, features (anc, wireless, wired, studio, gaming, sport, kids, tv)
_HEADPHONES = (
    ("Sony", "WH-1000XM3", 2018, 220, ("black",), "anc|wireless|travel"),
    ("Sony", "WH-1000XM4", 2020, 280, ("black", "silver", "blue"), "anc|wireless|travel"),
    ("Sony", "WH-1000XM5", 2022, 370, ("black", "silver", "blue"), "anc|wireless|travel"),
    ("Sony", "WH-CH720N", 2023, 120, ("black", "white", "blue"), "anc|wireless|travel"),
    ("Sony", "WH-CH520", 2023, 50, ("black", "white", "blue"), "wireless"),
    ("Sony", "MDR-7506", 2015, 95, ("black",), "wired|studio"),
    ("Sony", "MDR-ZX110", 2014, 18, ("black", "white"), "wired"),
    ("Bose", "QuietComfort 45", 2021, 290, ("black", "white"), "anc|wireless|travel"),
    ("Bose", "QuietComfort Ultra", 2023, 410, ("black", "white"), "anc|wireless|travel"),
    ("Bose", "Noise Cancelling Headphones 700", 2019, 330, ("black", "silver"), "anc|wireless|travel"),
    ("Apple", "AirPods Max", 2020, 530, ("silver", "pink", "green"), "anc|wireless|travel"),
    ("Sennheiser", "Momentum 4", 2022, 330, ("black", "white"), "anc|wireless|travel"),
    ("Sennheiser", "HD 560S", 2020, 180, ("black",), "wired|studio"),
    ("Sennheiser", "RS 120-W", 2021, 110, ("black",), "wireless|tv"),
    ("Sennheiser", "HD 25", 2016, 120, ("black",), "wired|studio"),
    ("JBL", "Tune 510BT", 2021, 40, ("black", "blue", "pink"), "wireless"),
    ("JBL", "Tune 770NC", 2023, 110, ("black", "white", "purple"), "anc|wireless|travel"),
    ("JBL", "JR310", 2020, 28, ("blue", "red"), "wired|kids"),
    ("JBL", "Quantum 100", 2020, 35, ("black",), "wired|gaming"),
    ("Soundcore", "Life Q30", 2020, 75, ("black", "blue"), "anc|wireless|travel|budget"),
    ("Soundcore", "Space One", 2023, 95, ("black", "beige"), "anc|wireless|travel|budget"),
    ("Edifier", "W820NB", 2021, 55, ("black", "white", "blue"), "anc|wireless|travel|budget"),
    ("Edifier", "W600BT", 2022, 32, ("black", "white"), "wireless|budget"),
    ("QCY", "H3", 2023, 38, ("black", "white"), "anc|wireless|travel|budget"),
    ("Xiaomi", "Redmi Headphones Lite", 2023, 29, ("black", "white"), "wireless|budget"),
    ("Audio-Technica", "ATH-M50x", 2014, 150, ("black", "white"), "wired|studio"),
    ("Audio-Technica", "ATH-M20x", 2014, 55, ("black",), "wired|studio"),
    ("Beyerdynamic", "DT 770 Pro", 2012, 150, ("gray",), "wired|studio"),
    ("HyperX", "Cloud II", 2018, 80, ("black", "red"), "wired|gaming"),
    ("Logitech", "G Pro X", 2020, 105, ("black",), "wired|gaming"),
    ("Philips", "TAH4205", 2020, 35, ("black", "white"), "wireless"),
)
_EARBUDS = (
    ("Apple", "AirPods 2", 2019, 120, ("white",), "wireless"),
    ("Apple", "AirPods 3", 2021, 170, ("white",), "wireless"),
    ("Apple", "AirPods Pro 2", 2022, 240, ("white",), "anc|wireless|travel"),
    ("Apple", "EarPods Lightning", 2016, 20, ("white",), "wired"),
    ("Sony", "WF-1000XM4", 2021, 200, ("black", "silver"), "anc|wireless|travel"),
    ("Sony", "WF-1000XM5", 2023, 280, ("black", "silver"), "anc|wireless|travel"),
    ("Sony", "WF-C500", 2021, 65, ("black", "green"), "wireless"),
    ("Sony", "MDR-EX15LP", 2014, 10, ("black", "pink"), "wired"),
    ("Samsung", "Galaxy Buds2 Pro", 2022, 180, ("purple", "white"), "anc|wireless|travel"),
    ("Samsung", "Galaxy Buds FE", 2023, 95, ("gray", "white"), "anc|wireless|travel"),
    ("Xiaomi", "Redmi Buds 4", 2022, 39, ("white", "blue"), "anc|wireless|travel|budget"),
    ("Xiaomi", "Redmi Buds 4 Lite", 2023, 22, ("black", "white"), "wireless|budget"),
    ("Xiaomi", "Xiaomi Buds 4 Pro", 2023, 170, ("gold", "black"), "anc|wireless|travel"),
    ("Bose", "QuietComfort Earbuds II", 2022, 270, ("black", "white"), "anc|wireless|travel"),
    ("JBL", "Tune 230NC", 2021, 85, ("black", "white"), "anc|wireless|travel"),
    ("JBL", "Endurance Run 2", 2022, 25, ("black", "blue"), "wired|sport"),
    ("Soundcore", "Liberty 4", 2022, 110, ("black", "white"), "anc|wireless|travel|budget"),
    ("Soundcore", "P20i", 2023, 28, ("black", "pink"), "wireless|budget"),
    ("QCY", "T13", 2021, 20, ("black", "white"), "wireless|budget"),
    ("Jabra", "Elite 4", 2023, 90, ("gray", "navy"), "anc|wireless|travel"),
    ("Beats", "Fit Pro", 2021, 190, ("black", "purple"), "anc|wireless|sport"),
    ("Shokz", "OpenRun", 2022, 125, ("black", "red"), "wireless|sport"),
    ("Huawei", "FreeBuds 5i", 2023, 85, ("white", "blue"), "anc|wireless|travel"),
)  # fmt: skip
_PITCH: dict[str, Pitch] = {
    "anc": (
        ("Active noise cancelling shuts out engines, trains and chatter.", "主动降噪，隔绝引擎声、列车声和人声。"),
        ("Made for long flights: quiet, soft and good for 30 hours.", "长途飞行好伴侣，安静舒适，续航30小时。"),
        ("With transparency mode for announcements.", "支持通透模式，不错过广播。"),
    ),
    "wireless": (
        ("Pairs by Bluetooth with two devices at once.", "蓝牙连接，可同时配对两台设备。"),
        ("No cables; the built-in microphone takes your calls.", "摆脱线缆，内置麦克风可通话。"),
    ),
    "wired": (
        ("Plugs in with a 3.5 mm jack; no charging ever.", "3.5毫米插头，无需充电。"),
        ("Clear sound on a sturdy cable.", "音质清晰，线材耐用。"),
    ),
    "studio": (("Neutral closed sound for mixing and recording.", "监听级中性音质，适合混音和录音。"),),
    "gaming": (("Boom microphone and surround sound for gamers.", "可弯折麦克风与环绕声，专为游戏玩家打造。"),),
    "sport": (("Sweatproof and firm in the ear while you run.", "防汗防水，跑步时佩戴牢固。"),),
    "kids": (("Volume limited to 85 dB to protect children's ears.", "音量限制85分贝，保护儿童听力。"),),
    "tv": (
        (
            "Radio transmitter with charging dock, 60 m range around the television.",
            "配无线发射底座，距电视60米内可用。",
        ),
    ),
}
# English word by feature for the title, Chinese word; the first feature that is there wins
_WORDS = (
    ("kids", "Kids", "儿童"), ("gaming", "Gaming", "游戏"), ("studio", "Studio Monitor", "监听"),
    ("tv", "Wireless TV", "无线电视"),
    ("sport", "Sport", "运动"), ("anc", "Wireless Noise Cancelling", "无线蓝牙降噪"), ("wireless", "Bluetooth", "蓝牙"),
    ("wired", "Wired", "有线"),
)  # fmt: skip
# devices whose spare parts are sold, kind of device
_PARTS_FOR = (
    ("WH-1000XM3", "Sony", "over_ear"), ("WH-1000XM4", "Sony", "over_ear"), ("WH-1000XM5", "Sony", "over_ear"),
    ("QuietComfort 45", "Bose", "over_ear"), ("ATH-M50x", "Audio-Technica", "over_ear"),
    ("AirPods Max", "Apple", "over_ear"),
    ("AirPods 3", "Apple", "earbuds"), ("AirPods Pro 2", "Apple", "earbuds"),
    ("Galaxy Buds2 Pro", "Samsung", "earbuds"),
    ("WF-1000XM4", "Sony", "earbuds"),
)  # fmt: skip
_PART_PITCH: Pitch = (
    ("Soft replacement part, mounted in a minute.", "柔软替换件，一分钟即可安装。"),
    ("Compatible with {fits} only; headphones are not included.", "仅适用于{fits}，不含耳机。"),
)
_SPEAKERS = (
    ("JBL", "Flip 6", 115, "bluetooth"), ("JBL", "Charge 5", 160, "bluetooth"), ("JBL", "Go 3", 38, "bluetooth"),
    ("Bose", "SoundLink Flex", 145, "bluetooth"), ("Xiaomi", "Mi Portable Speaker 16W", 45, "bluetooth"),
    ("Marshall", "Emberton II", 160, "bluetooth"), ("Soundcore", "Motion 300", 75, "bluetooth"),
    ("Sonos", "Era 100", 240, "wifi"), ("Apple", "HomePod mini", 99, "wifi"), ("Edifier", "R1280T", 110, "shelf"),
    ("Logitech", "Z407", 85, "shelf"), ("Bose", "Smart Soundbar 600", 450, "soundbar"),
    ("Sony", "HT-S400", 240, "soundbar"),
    ("Samsung", "HW-B650", 260, "soundbar"), ("LG", "S65Q", 240, "soundbar"),
    ("Xiaomi", "Soundbar 3.1ch", 190, "soundbar"),
)  # fmt: skip
_SPEAKER_WORDS = {
    "bluetooth": ("Portable Bluetooth Speaker Waterproof", "便携防水蓝牙音箱"),
    "wifi": ("Smart Speaker with Wi-Fi", "Wi-Fi智能音箱"),
    "shelf": ("Desktop Speakers, Pair", "桌面有源音箱 一对"),
    "soundbar": ("Soundbar for TV with Wireless Subwoofer", "电视回音壁 无线低音炮"),
}
_SPEAKER_PITCH: Pitch = (
    ("Fills the room with deep bass.", "低音浑厚，声音充满整个房间。"),
    ("Set up in two minutes, also with your TV or phone.", "两分钟完成设置，可连接电视或手机。"),
    ("Survives rain, sand and the pool.", "防雨防沙，泳池边也能用。"),
)


def stock(shelf: Shelf) -> None:
    """Headphones and earphones by colour, then their spare parts, then speakers."""
    for kind, rows in (("over_ear", _HEADPHONES), ("earbuds", _EARBUDS)):
        for brand, model, year, price, colors, features in rows:
            for color in colors:
                _stock_headphone(shelf, kind, brand, model, year, price, color, features)
    for device, maker, device_kind in _PARTS_FOR:
        _stock_parts(shelf, device, maker, device_kind)
    _stock_for_any(shelf)
    _stock_speakers(shelf)


def _stock_for_any(shelf: Shelf) -> None:
    for title, zh, price, kind in (
        ("{brand} Headphone Stand Aluminium Desk Holder", "{brand} 铝合金耳机支架 桌面挂架", 24, "headphone_stand"),
        ("{brand} Headphone Extension Cable 3.5 mm 3 m", "{brand} 3.5毫米耳机延长线 3米", 8, "audio_cable"),
        (
            "{brand} Bluetooth Transmitter for TV and Headphones",
            "{brand} 蓝牙音频发射器 电视连接耳机",
            32,
            "audio_adapter",
        ),
    ):
        for brand in ("Ugreen", "Kyberon", "Sennheiser"):
            shelf.add("audio_accessories", (title, zh), price, brand=brand, kind=kind, pitch=_PART_PITCH, fits="any")


def _stock_speakers(shelf: Shelf) -> None:
    for brand, model, speaker_price, style in _SPEAKERS:
        english, chinese = _SPEAKER_WORDS[style]
        for color in shelf.some(("black", "blue", "red", "white"), 2 if style == "bluetooth" else 1):
            shelf.add(
                "speakers", (f"{{brand}} {{model}} {english}, {{color}}",
                    f"{{brand_zh}} {{model}} {chinese} {{color_zh}}"),
                speaker_price, brand=brand, kind="soundbar" if style == "soundbar" else "speaker", pitch=_SPEAKER_PITCH,
                colors=[color], specs={"model": model}, model=model, features=style,
            )  # fmt: skip


def _stock_headphone(
    shelf: Shelf, kind: str, brand: str, model: str, year: int, price: float, color: str, features: str
) -> None:
    has = features.split("|")
    english, chinese = next((en, zh) for name, en, zh in _WORDS if name in has)
    noun, noun_zh = ("Headphones", "头戴式耳机") if kind == "over_ear" else ("Earbuds", "耳机")
    if kind == "earbuds" and "wired" in has:
        noun, noun_zh = "In-Ear Earphones", "入耳式耳机"
    called = "" if "Headphones" in model or "EarPods" in model else f" {noun}"
    title = shelf.pick(
        (f"{{brand}} {{model}} {english}{called}, {{color}}", f"{{brand}} {{model}} - {english}{called} ({{color}})")
    )
    shelf.add(
        "headphones", (title, f"{{brand_zh}} {{model}} {chinese}{noun_zh} {{color_zh}}"), price, brand=brand, kind=kind,
        pitch=[pair for feature in has for pair in _PITCH.get(feature, ())], colors=[color], year=year,
        specs={"model": model,
            "connection": "wired" if "wired" in has else "Bluetooth" if "tv" not in has else "radio"},
        model=model, features=features + ("|bluetooth" if "wireless" in has and "tv" not in has else ""),
    )  # fmt: skip


def _stock_parts(shelf: Shelf, device: str, maker: str, device_kind: str) -> None:
    parts = (
        (f"Replacement Ear Pads for {maker} {device} Headphones, {device} Ear Cushions",
            f"适用{{fits}}耳机套 替换耳罩 {device}海绵套", 17, "ear_pads"),
        (f"Hard Travel Case for {maker} {device} Wireless Headphones, Carrying Bag",
            "适用{fits}耳机收纳包 硬壳便携盒", 16, "headphone_case"),
    )  # fmt: skip
    if device_kind == "earbuds":
        parts = (
            (f"Silicone Case Cover for {maker} {device} Charging Case with Keychain",
                "适用{fits}耳机保护套 硅胶 带挂钩", 10, "headphone_case"),
            (f"Memory Foam Ear Tips for {maker} {device}, {device} Replacement Tips S/M/L",
                "适用{fits}记忆棉耳塞套 替换耳帽", 13, "ear_tips"),
        )  # fmt: skip
    for title, zh, price, kind in parts:
        for color in ("black", shelf.pick(("white", "blue", "gray"))):
            shelf.add(
                "audio_accessories", (f"{title}, {{color}}", f"{zh} {{color_zh}}"), price, kind=kind, pitch=_PART_PITCH,
                brand=shelf.pick(("Geekria", "Wicked Cushions", "Kyberon")), colors=[color],
                specs={"compatible with": device}, fits=device,
            )  # fmt: skip
