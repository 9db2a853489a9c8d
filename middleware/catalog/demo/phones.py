"""Smartphones and the watches beside them: devices whose names every accessory repeats."""

from __future__ import annotations

from middleware.catalog.demo.shelf import Pitch, Shelf

# brand, line, model, generation, year, price, storages in GB, colours
PHONES = (
    ("Apple", "iPhone", "iPhone 11", "iPhone 11", 2019, 420, (64, 128), ("black", "white", "purple")),
    ("Apple", "iPhone", "iPhone 12 mini", "iPhone 12", 2020, 450, (64, 128), ("black", "blue")),
    ("Apple", "iPhone", "iPhone 12", "iPhone 12", 2020, 530, (64, 128, 256), ("black", "white", "blue", "red")),
    ("Apple", "iPhone", "iPhone 12 Pro", "iPhone 12", 2020, 690, (128, 256), ("gold", "gray")),
    ("Apple", "iPhone", "iPhone 12 Pro Max", "iPhone 12", 2020, 790, (128, 256), ("silver", "blue")),
    ("Apple", "iPhone", "iPhone 13 mini", "iPhone 13", 2021, 560, (128,), ("pink", "black")),
    ("Apple", "iPhone", "iPhone 13", "iPhone 13", 2021, 640, (128, 256), ("black", "pink", "blue", "green")),
    ("Apple", "iPhone", "iPhone 13 Pro", "iPhone 13", 2021, 820, (128, 256), ("gray", "gold")),
    ("Apple", "iPhone", "iPhone 14", "iPhone 14", 2022, 730, (128, 256), ("black", "purple", "yellow")),
    ("Apple", "iPhone", "iPhone 14 Pro", "iPhone 14", 2022, 960, (128, 256), ("purple", "silver")),
    ("Apple", "iPhone", "iPhone 15", "iPhone 15", 2023, 830, (128, 256), ("black", "pink", "green")),
    ("Apple", "iPhone", "iPhone 15 Pro", "iPhone 15", 2023, 1090, (128, 256), ("blue", "white")),
    ("Apple", "iPhone", "iPhone SE", "iPhone SE", 2022, 430, (64, 128), ("black", "red")),
    ("Samsung", "Galaxy", "Galaxy S21", "Galaxy S21", 2021, 430, (128,), ("gray", "purple")),
    ("Samsung", "Galaxy", "Galaxy S22", "Galaxy S22", 2022, 560, (128, 256), ("black", "green")),
    ("Samsung", "Galaxy", "Galaxy S23", "Galaxy S23", 2023, 720, (128, 256), ("black", "beige", "green")),
    ("Samsung", "Galaxy", "Galaxy S23 Ultra", "Galaxy S23", 2023, 1090, (256,), ("black", "green")),
    ("Samsung", "Galaxy", "Galaxy S24", "Galaxy S24", 2024, 820, (128, 256), ("yellow", "gray")),
    ("Samsung", "Galaxy", "Galaxy A34", "Galaxy A34", 2023, 290, (128,), ("silver", "green")),
    ("Samsung", "Galaxy", "Galaxy A54", "Galaxy A54", 2023, 370, (128, 256), ("white", "black")),
    ("Samsung", "Galaxy", "Galaxy Z Flip5", "Galaxy Z Flip5", 2023, 930, (256,), ("beige", "purple")),
    ("Xiaomi", "Redmi", "Redmi Note 12", "Redmi Note 12", 2023, 190, (64, 128), ("gray", "blue")),
    ("Xiaomi", "Redmi", "Redmi Note 13 Pro", "Redmi Note 13", 2024, 310, (256,), ("black", "purple")),
    ("Xiaomi", "Redmi", "Redmi 12C", "Redmi 12", 2023, 120, (64,), ("gray", "blue")),
    ("Xiaomi", "Xiaomi", "Xiaomi 13", "Xiaomi 13", 2023, 690, (256,), ("black", "green")),
    ("Xiaomi", "Xiaomi", "Xiaomi 14", "Xiaomi 14", 2024, 880, (256,), ("white", "black")),
    ("Huawei", "Mate", "Mate 60 Pro", "Mate 60", 2023, 1050, (256,), ("green", "black")),
    ("Huawei", "P", "P60 Pro", "P60", 2023, 940, (256,), ("black", "white")),
    ("Google", "Pixel", "Pixel 7", "Pixel 7", 2022, 470, (128,), ("black", "white")),
    ("Google", "Pixel", "Pixel 8", "Pixel 8", 2023, 620, (128, 256), ("gray", "pink")),
    ("OnePlus", "OnePlus", "OnePlus 12", "OnePlus 12", 2024, 830, (256,), ("black", "green")),
    ("Motorola", "Moto", "Moto G54", "Moto G54", 2023, 190, (128,), ("blue", "green")),
)

_PHONE_TITLES = (
    ("{brand} {model} {storage}GB {color}", "{brand_zh} {model} {storage}GB {color_zh} 智能手机"),
    ("{brand} {model} ({storage} GB) - {color}", "{brand_zh}{model} 手机 {storage}GB {color_zh}"),
    (
        "{brand} {model} 5G Smartphone {storage}GB Unlocked, {color}",
        "{brand_zh} {model} 5G手机 {storage}GB {color_zh} 全网通",
    ),
)
_PHONE_PITCH: Pitch = (
    ("An unlocked mobile phone that works with every carrier.", "全网通手机，支持所有运营商。"),
    ("The bright OLED display stays readable in the sun.", "高亮OLED屏幕，阳光下也清晰可见。"),
    ("The dual camera takes sharp pictures even at night.", "双摄像头，夜间拍照依然清晰。"),
    ("With {storage} GB of storage for photos, apps and music.", "{storage}GB存储空间，照片、应用和音乐随心存。"),
    ("The battery of this cell phone lasts a whole day.", "电池续航可达一整天。"),
    ("Dual SIM, fast 5G and face unlock.", "双卡双待，高速5G，支持面部解锁。"),
    ("The {model} in {color}, new in the sealed box.", "{model} {color_zh}款，全新未拆封。"),
)
_SENIOR_PHONES: tuple[tuple[str, str, float, tuple[str, ...]], ...] = (
    ("Nokia", "Nokia 105", 25, ("black", "blue")),
    ("Nokia", "Nokia 2660 Flip", 65, ("black", "red")),
    ("Doro", "Doro 1380", 40, ("black",)),
    ("Doro", "Doro 6620 Flip", 85, ("red", "white")),
)
_SENIOR_PITCH: Pitch = (
    ("A simple mobile phone with big buttons and an emergency key.", "大按键老人机，带一键求助功能。"),
    ("Stands by for up to three weeks; no apps, no fuss.", "待机长达三周，操作简单。"),
    ("Loud ringtone and hearing-aid compatible, ideal for seniors.", "大音量，兼容助听器，适合老年人使用。"),
)

# brand, model, year, price, colours, family of bands that fit
_WATCHES: tuple[tuple[str, str, int, float, tuple[str, ...], str], ...] = (
    ("Apple", "Apple Watch SE", 2022, 250, ("silver", "black"), "Apple Watch"),
    ("Apple", "Apple Watch Series 8", 2022, 390, ("red", "silver"), "Apple Watch"),
    ("Apple", "Apple Watch Series 9", 2023, 420, ("pink", "black"), "Apple Watch"),
    ("Apple", "Apple Watch Ultra 2", 2023, 790, ("silver",), "Apple Watch"),
    ("Samsung", "Galaxy Watch 5", 2022, 230, ("gray", "silver"), "Galaxy Watch"),
    ("Samsung", "Galaxy Watch 6", 2023, 290, ("black", "gold"), "Galaxy Watch"),
    ("Garmin", "Forerunner 255", 2022, 320, ("gray", "white"), "Garmin"),
    ("Garmin", "Venu 3", 2023, 440, ("black",), "Garmin"),
    ("Xiaomi", "Smart Band 8", 2023, 40, ("black", "gold"), "Smart Band"),
    ("Huawei", "Watch GT 4", 2023, 250, ("brown", "black"), "Watch GT"),
)
_WATCH_PITCH: Pitch = (
    ("Measures pulse, sleep and sport around the clock.", "全天监测心率、睡眠和运动。"),
    ("With GPS and water resistance for swimmers and runners.", "内置GPS，防水，游泳跑步都适用。"),
    ("Notifications and payments on your wrist.", "手腕上即可查看通知和支付。"),
)
_BAND_PITCH: Pitch = (
    ("Soft replacement strap, changed in seconds without tools.", "柔软替换表带，无需工具即可更换。"),
    ("Fits wrists from 14 to 20 cm; the watch is not included.", "适合14至20厘米腕围，不含手表。"),
)


def stock(shelf: Shelf) -> None:
    """Phones in every storage and colour that is sold, simple phones, watches and their bands."""
    for brand, line, model, generation, year, price, storages, colors in PHONES:
        for index, color in enumerate(colors):
            size = storages[index % len(storages)]
            shelf.add(
                "phones", shelf.pick(_PHONE_TITLES), price + size // 2, brand=brand, kind="phone", pitch=_PHONE_PITCH,
                colors=[color], year=year, specs={"storage": f"{size} GB", "network": "5G", "model": model},
                line=line, model=model, generation=generation, storage=str(size), features="smartphone",
            )  # fmt: skip
    _stock_simple_phones(shelf)
    _stock_watches(shelf)
    _stock_bands(shelf)


def _stock_simple_phones(shelf: Shelf) -> None:
    for brand, model, price, colors in _SENIOR_PHONES:
        for color in colors:
            shelf.add(
                "phones",
                ("{model} Big Button Phone for Seniors, {color}", "{name_zh} 老人手机 大按键 {color_zh}"),
                price, brand=brand, kind="phone", pitch=_SENIOR_PITCH, colors=[color], specs={"network": "4G"},
                line="senior",
                name_zh=model.replace("Nokia", "诺基亚"), model=model, generation=model, features="senior",
            )  # fmt: skip


def _stock_watches(shelf: Shelf) -> None:
    for brand, model, year, price, colors, family in _WATCHES:
        for color in colors:
            name = model if model.startswith(brand) else f"{brand} {model}"
            shelf.add(
                "wearables", (f"{name} Smartwatch GPS, {{color}}", "{brand_zh} {model} 智能手表 {color_zh}"), price,
                brand=brand, kind="smartwatch", pitch=_WATCH_PITCH, colors=[color], year=year,
                specs={"water resistance": "5 ATM"}, model=model, family=family,
            )  # fmt: skip


def _stock_bands(shelf: Shelf) -> None:
    for family in ("Apple Watch", "Galaxy Watch", "Garmin", "Smart Band"):
        for material, material_zh, price in (("Silicone", "硅胶", 12), ("Leather", "真皮", 25), ("Nylon", "尼龙", 15)):
            for color in shelf.some(("black", "brown", "pink", "white", "blue"), 2):
                shelf.add(
                    "wearables",
                    (f"{material} Band Compatible with {family}, Replacement Strap for {family} Smartwatch, {{color}}",
                     f"{family} 适用{material_zh}表带 替换腕带 {{color_zh}}"),
                    price, brand=shelf.pick(("Spigen", "StrapCo", "Kyberon")), kind="watch_band", pitch=_BAND_PITCH,
                    colors=[color], specs={"material": material}, fits=family, family=family,
                )  # fmt: skip
