"""Cases, glass, chargers, cables and mounts: the accessories that lexical search puts above the devices."""

from __future__ import annotations

from middleware.catalog.demo.shelf import Pitch, Shelf

# models that one case fits: most sellers name both to be found twice
CASE_MODELS = (
    (("iPhone 11",), 5), (("iPhone 12", "iPhone 12 Pro"), 16), (("iPhone 12 mini",), 4), (("iPhone 12 Pro Max",), 5),
    (("iPhone 13",), 11), (("iPhone 13 Pro",), 5), (("iPhone 14",), 9), (("iPhone 14 Pro",), 5), (("iPhone 15",), 8),
    (("iPhone 15 Pro",), 5), (("iPhone SE", "iPhone 8", "iPhone 7"), 4), (("Galaxy S22",), 5), (("Galaxy S23",), 9),
    (("Galaxy S24",), 5), (("Galaxy A54",), 5), (("Redmi Note 12",), 5), (("Xiaomi 13",), 3), (("Pixel 7",), 3),
    (("Pixel 8",), 4), (("Mate 60 Pro",), 3),
)  # fmt: skip
_MAKER = {"iPhone": "Apple", "Galaxy": "Samsung", "Redmi": "Xiaomi", "Pixel": "Google", "Mate": "Huawei", "Xiaomi": ""}
_MAKER_ZH = {"iPhone": "苹果", "Galaxy": "三星", "Redmi": "红米", "Pixel": "谷歌", "Mate": "华为", "Xiaomi": "小米"}

# style, English, Chinese, colours, price
_STYLES = (
    ("silicone", "Liquid Silicone", "液态硅胶", ("black", "blue", "pink", "red", "purple"), 14),
    ("clear", "Clear Crystal", "透明", ("clear",), 11),
    ("leather", "Leather Wallet Flip", "翻盖皮套 钱包款", ("brown", "black"), 22),
    ("rugged", "Shockproof Rugged Armor", "防摔铠甲", ("black", "green", "navy"), 19),
    ("magnetic", "Magnetic MagSafe", "磁吸", ("clear", "black", "navy"), 24),
    ("slim", "Ultra Slim Matte", "超薄磨砂", ("black", "green", "white"), 10),
)
_CASE_BRANDS = ("Spigen", "OtterBox", "Torras", "ESR", "Kyberon", "Ringke", "CoverLab")
_CASE_TITLES = (
    ("{brand} {style_en} Case for {device}, {device} Cover Compatible with {names}, {color}",
        "{brand} {zh_names} {style_zh}手机壳 {color_zh}"),
    ("{style_en} Phone Case Compatible with {names}, {device} Case with Camera Protection, {color}",
        "适用于{zh_names}手机壳 {style_zh} 保护套 {color_zh}"),
    ("{brand} Designed for {names} Case - {style_en} {device} Protective Cover ({color})",
        "{brand} {zh_names}保护壳 {style_zh} 全包防摔 {color_zh}"),
)  # fmt: skip
_CASE_PITCH: Pitch = (
    ("Precise cut-outs for all buttons and ports of the {device}.", "精准开孔，完美贴合{device}的按键与接口。"),
    ("Raised edges protect camera and screen when the phone falls.", "边框加高，跌落时保护镜头和屏幕。"),
    ("Supports wireless charging without taking the case off.", "支持无线充电，无需取下手机壳。"),
    ("Compatible with {names}; please check your model before you order.", "适用于{zh_names}，下单前请确认手机型号。"),
    ("Grippy, washable and free of fingerprints.", "手感防滑，可水洗，不沾指纹。"),
)
_GLASS_PITCH: Pitch = (
    ("Tempered glass of 9H hardness guards the display against scratches.", "9H钢化玻璃，防止屏幕刮花。"),
    ("With a mounting frame for a bubble-free fit on your {device}.", "附送贴膜神器，{device}轻松贴膜无气泡。"),
    ("Two pieces in the pack.", "一盒两片装。"),
)

# English title, Chinese title, kind, watts or metres, brands, price, connector, features
_POWER = (
    ("{brand} 20W USB-C Charger for iPhone 15 / 14 / 13 / 12, Fast Wall Charger",
        "{brand_zh} 20W USB-C充电器 适用iPhone 15/14/13/12快充头", "charger", ("Apple", "Anker", "Ugreen", "Kyberon"),
        17, "usb-c", "iphone"),
    ("{brand} 30W Nano USB-C Charger Plug", "{brand_zh} 30W USB-C迷你充电头", "charger", ("Anker", "Ugreen", "Baseus"),
        22, "usb-c", "phone"),
    ("{brand} 65W GaN Charger with 3 Ports for Laptop, Tablet and Phone",
        "{brand_zh} 65W氮化镓充电器 三口 笔记本手机通用", "charger", ("Anker", "Ugreen", "Baseus"), 42, "usb-c",
        "laptop"),
    ("{brand} 67W Turbo Charging Power Adapter", "{brand_zh} 67W快充充电器套装", "charger", ("Xiaomi",), 30, "usb-a",
        "phone"),
    ("{brand} 25W Super Fast Charger for Galaxy S24 / S23 / S22", "{brand_zh} 25W超级快充充电器 适用Galaxy S24/S23/S22",
        "charger", ("Samsung", "Kyberon"), 18, "usb-c", "galaxy"),
    ("{brand} Wireless Charging Pad 15W for iPhone and Galaxy", "{brand_zh} 15W无线充电板 适用iPhone和Galaxy",
        "wireless_charger", ("Anker", "Belkin", "Samsung", "Baseus"), 28, "qi", "phone|iphone|galaxy"),
    ("{brand} MagSafe Wireless Charger for iPhone 12, iPhone 13 and iPhone 14",
        "{brand_zh} MagSafe磁吸无线充电器 适用iPhone 12/13/14", "wireless_charger", ("Apple", "Belkin", "ESR"), 37,
        "qi", "iphone"),
    ("{brand} 3-in-1 Wireless Charging Station for Phone, Watch and Earbuds",
        "{brand_zh} 三合一无线充电座 手机手表耳机", "wireless_charger", ("Belkin", "Anker", "Kyberon"), 75, "qi",
        "phone|iphone"),
    ("{brand} USB-C to Lightning Cable 1 m for iPhone", "{brand_zh} USB-C转Lightning数据线 1米 苹果充电线", "cable",
        ("Apple", "Anker", "Ugreen"), 16, "lightning", "iphone"),
    ("{brand} Lightning Cable 2 m, MFi Certified Charging Cord for iPhone 12 11 SE",
        "{brand_zh} Lightning数据线 2米 MFi认证 适用iPhone 12/11/SE", "cable", ("Anker", "Belkin", "Kyberon"), 14,
        "lightning", "iphone"),
    ("{brand} USB-C to USB-C Cable 2 m 100W", "{brand_zh} 双头USB-C数据线 2米 100W快充", "cable",
        ("Anker", "Ugreen", "Baseus", "Belkin"), 13, "usb-c", "phone|galaxy|laptop"),
    ("{brand} Braided USB-A to USB-C Cable 1.8 m (2 Pack)", "{brand_zh} 编织USB-A转USB-C数据线 1.8米 两条装", "cable",
        ("Anker", "Ugreen", "Kyberon"), 10, "usb-c", "phone|galaxy"),
    ("{brand} Micro USB Charging Cable 1 m", "{brand_zh} Micro USB安卓数据线 1米", "cable", ("Ugreen", "Kyberon"), 6,
        "micro-usb", "phone"),
    ("{brand} Power Bank 10000 mAh Slim Portable Charger", "{brand_zh} 10000毫安充电宝 轻薄便携移动电源", "power_bank",
        ("Anker", "Xiaomi", "Baseus"), 25, "usb-c", "phone"),
    ("{brand} Power Bank 20000 mAh with Fast Charging and Display", "{brand_zh} 20000毫安大容量充电宝 快充数显",
        "power_bank", ("Anker", "Xiaomi", "Baseus", "Ugreen"), 43, "usb-c", "phone|laptop"),
    ("{brand} Magnetic Wireless Power Bank 5000 mAh for iPhone 12 to 15",
        "{brand_zh} 5000毫安磁吸无线充电宝 适用iPhone 12至15", "power_bank", ("Anker", "Baseus", "ESR"), 38, "qi",
        "iphone"),
    ("{brand} Dual USB Car Charger 36W", "{brand_zh} 36W车载充电器 双口快充", "car_charger",
        ("Anker", "Ugreen", "Baseus"), 15, "usb-c", "phone"),
    ("{brand} Car Phone Mount for Dashboard and Vent, Phone Holder", "{brand_zh} 车载手机支架 出风口仪表台通用",
        "phone_mount", ("iOttie", "Baseus", "Kyberon"), 21, "none", "phone"),
    ("{brand} Selfie Stick Tripod with Bluetooth Remote for iPhone and Android",
        "{brand_zh} 自拍杆三脚架 蓝牙遥控 手机通用", "selfie_stick", ("Xiaomi", "Kyberon"), 22, "none", "phone"),
    ("{brand} Lightning to 3.5 mm Headphone Jack Adapter for iPhone 12",
        "{brand_zh} Lightning转3.5毫米耳机转接头 适用iPhone 12", "adapter", ("Apple", "Belkin"), 10, "lightning",
        "iphone"),
)  # fmt: skip
_POWER_PITCH: Pitch = (
    ("Charges fast and stays cool, with protection against overcurrent.", "快速充电不发烫，多重安全保护。"),
    ("Small enough for every pocket, made for travel.", "小巧便携，出差旅行好伴侣。"),
    ("Tested ten thousand times and made to last.", "经过上万次测试，经久耐用。"),
    ("Works with phones, tablets and earbuds; phone not included.", "兼容手机、平板和耳机，不含手机。"),
)


def stock(shelf: Shelf) -> None:
    """Cases for every phone, then glass for the common ones, then power and mounts."""
    for models, count in CASE_MODELS:
        _stock_cases(shelf, models, count)
        if count >= 5:
            _stock_glass(shelf, models)
    for title, zh, kind, brands, price, connector, serves in _POWER:
        for brand in brands:
            shelf.add(
                "phone_cases" if kind == "adapter" else "chargers", (title, zh), price, brand=brand, kind=kind,
                pitch=_POWER_PITCH, colors=[shelf.pick(("black", "white"))], connector=connector, serves=serves,
                specs={"connector": connector} if connector != "none" else {},
            )  # fmt: skip


def _names(models: tuple[str, ...]) -> dict[str, str]:
    line = models[0].split()[0]
    device = f"{_MAKER[line]} {models[0]}".strip() if line != "iPhone" else models[0]
    return {
        "device": device,
        "names": " / ".join(models),
        "zh_names": _MAKER_ZH[line]
        + "/".join(model.removeprefix("Xiaomi ").removeprefix("Redmi ") for model in models),
        "fits": "|".join(models),
        "line": line,
    }


def _stock_cases(shelf: Shelf, models: tuple[str, ...], count: int) -> None:
    variants = [(style, color) for style in _STYLES for color in style[3]]
    for (style, english, chinese, _, price), color in shelf.some(variants, count):
        brand = shelf.pick(_CASE_BRANDS)
        shelf.add(
            "phone_cases", shelf.pick(_CASE_TITLES), price, brand=brand, kind="phone_case", pitch=_CASE_PITCH,
            colors=[color], specs={"compatible with": ", ".join(models), "material": english},
            style=style, style_en=english, style_zh=chinese, more=_names(models),
        )  # fmt: skip


def _stock_glass(shelf: Shelf, models: tuple[str, ...]) -> None:
    for brand in shelf.some(("Spigen", "ESR", "GlassPro"), 2):
        shelf.add(
            "phone_cases",
            ("{brand} Screen Protector for {device}, Tempered Glass Film Compatible with {names} (2 Pack)",
             "{brand} {zh_names}钢化膜 高清防爆屏幕保护膜 两片装"),
            12, brand=brand, kind="screen_protector", pitch=_GLASS_PITCH, colors=["clear"],
            specs={"compatible with": ", ".join(models)}, more=_names(models),
        )  # fmt: skip
