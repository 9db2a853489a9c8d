"""Vacuum cleaners, and the bags, filters and brushes that name the machines they fit."""

from __future__ import annotations

from middleware.catalog.demo.shelf import Pitch, Shelf

# brand, model, style, price, colours, tags
_VACUUMS = (
    ("Dyson", "V8", "cordless", 290, ("silver", "yellow"), ""),
    ("Dyson", "V11 Absolute", "cordless", 430, ("blue", "gold"), "pets"),
    ("Dyson", "V15 Detect", "cordless", 590, ("yellow", "purple"), "pets"),
    ("Dyson", "Cinetic Big Ball", "bagless", 350, ("purple",), "pets"),
    ("Miele", "Complete C3", "bagged", 330, ("red", "black"), "pets|quiet"),
    ("Miele", "Compact C1", "bagged", 160, ("blue", "white"), ""),
    ("Miele", "Triflex HX1", "cordless", 390, ("white", "red"), ""),
    ("Bosch", "Serie 4 ProPower", "bagged", 130, ("black", "blue"), ""),
    ("Bosch", "Unlimited 7", "cordless", 320, ("white",), ""),
    ("Bosch", "Serie 2 BGS05", "bagless", 75, ("red", "blue"), "budget"),
    ("Philips", "PowerPro Compact", "bagless", 95, ("blue", "red"), "budget"),
    ("Philips", "SpeedPro Max", "cordless", 290, ("black",), ""),
    ("Rowenta", "Silence Force", "bagged", 210, ("black", "red"), "quiet|pets"),
    ("Shark", "ICZ300", "cordless", 310, ("blue",), "pets"),
    ("Shark", "NV602", "upright", 160, ("blue",), "pets"), ("Xiaomi", "Vacuum G10", "cordless", 190, ("white",), ""),
    ("Xiaomi", "Robot Vacuum S10", "robot", 230, ("white", "black"), "mop"),
    ("Xiaomi", "Robot Vacuum E10", "robot", 150, ("white",), "mop|budget"),
    ("Roborock", "S7 MaxV", "robot", 490, ("white", "black"), "mop|pets"),
    ("Roborock", "Q7 Max", "robot", 360, ("white", "black"), "mop"),
    ("iRobot", "Roomba i5", "robot", 290, ("gray",), "pets"),
    ("iRobot", "Roomba j7+", "robot", 560, ("black",), "pets"),
    ("Eufy", "RoboVac 11S", "robot", 160, ("black", "white"), "budget|quiet"),
    ("Ecovacs", "Deebot T10", "robot", 430, ("white",), "mop"),
    ("Black+Decker", "Dustbuster", "handheld", 42, ("gray", "red"), "car"),
    ("Baseus", "A2 Car Vacuum", "handheld", 45, ("black", "silver"), "car"),
    ("Karcher", "WD 3", "wet_dry", 75, ("yellow",), ""), ("Karcher", "SE 4002", "wet_dry", 210, ("yellow",), ""),
)  # fmt: skip
_WORDS = {
    "cordless": ("Cordless Stick Vacuum Cleaner", "无线手持吸尘器"),
    "bagless": ("Bagless Vacuum Cleaner", "无尘袋吸尘器"),
    "bagged": ("Bagged Cylinder Vacuum Cleaner", "卧式尘袋吸尘器"),
    "upright": ("Upright Vacuum Cleaner", "立式吸尘器"),
    "robot": ("Robot Vacuum Cleaner", "扫地机器人"),
    "handheld": ("Handheld Vacuum for Car and Home", "车载手持吸尘器"),
    "wet_dry": ("Wet and Dry Vacuum Cleaner", "干湿两用吸尘器"),
}
_PITCH: dict[str, Pitch] = {
    "": (
        ("Strong suction on carpet and hard floor.", "地毯硬地板吸力强劲。"),
        ("HEPA filter for clean air.", "HEPA过滤，空气更洁净。"),
    ),
    "pets": (("With a special brush that lifts pet hair from sofas.", "配宠物毛刷，轻松清除沙发上的宠物毛发。"),),
    "quiet": (("Runs at under 65 dB, so quiet that the baby sleeps on.", "低于65分贝，安静不吵醒宝宝。"),),
    "mop": (("Vacuums and mops in one go, steered by app.", "扫拖一体，手机应用控制。"),),
    "car": (("Gets the crumbs out of every car seat.", "轻松吸净汽车座椅缝隙。"),),
    "budget": (("Good suction for little money.", "价格实惠，吸力不俗。"),),
}
# models, brand, English, Chinese, kind, price
_PARTS = (
    (("Complete C3", "Compact C1"), "Miele", "Vacuum Cleaner Bags (8 Pack) for Miele Complete C3 and Compact C1",
        "米勒吸尘器尘袋 8个装 适用C3/C1", "vacuum_bags", 14),
    (("Serie 4 ProPower",), "Bosch", "Vacuum Bags Type G for Bosch Vacuum Cleaner (10 Pack)",
        "博世吸尘器G型尘袋 10个装", "vacuum_bags", 13),
    (("Silence Force",), "Rowenta", "Vacuum Cleaner Bags for Rowenta Silence Force (10 Pack)",
        "Rowenta吸尘器尘袋 10个装", "vacuum_bags", 13),
    (("V8",), "Dyson", "Filter for Dyson V8 Cordless Vacuum Cleaner (2 Pack)", "戴森V8吸尘器滤芯 两只装",
        "vacuum_filter", 15),
    (("V11 Absolute", "V15 Detect"), "Dyson", "Filter for Dyson V11 and Dyson V15 Vacuum Cleaner",
        "戴森V11/V15吸尘器滤芯", "vacuum_filter", 19),
    (("V8",), "Dyson", "Replacement Battery for Dyson V8 Vacuum 21.6 V", "戴森V8吸尘器替换电池", "vacuum_battery", 55),
    (("V11 Absolute",), "Dyson", "Replacement Battery for Dyson V11 Absolute Vacuum Cleaner", "戴森V11吸尘器替换电池",
        "vacuum_battery", 70),
    (("V8", "V11 Absolute", "V15 Detect"), "Dyson", "Brush Head for Dyson V8, V11 and V15 Cordless Vacuum, Soft Roller",
        "戴森V8/V11/V15软绒滚筒吸头", "vacuum_brush", 42),
    (("V8", "V11 Absolute", "V15 Detect"), "Dyson", "Wall Mount Dock for Dyson V8 V11 V15 Vacuum Cleaner",
        "戴森V8/V11/V15吸尘器壁挂架", "vacuum_dock", 25),
    (("S7 MaxV", "Q7 Max"), "Roborock", "Side Brush and Filter Set for Roborock S7 and Q7 Robot Vacuum Cleaner",
        "石头扫地机器人S7/Q7边刷滤网套装", "vacuum_brush", 20),
    (("S7 MaxV",), "Roborock", "Mop Cloths for Roborock S7 Robot Vacuum (6 Pack)", "石头S7扫地机器人拖布 6片装",
        "vacuum_mop", 15),
    (("Robot Vacuum S10", "Robot Vacuum E10"), "Xiaomi",
        "Accessory Set for Xiaomi Robot Vacuum S10 and E10, Brushes, Filters, Mops",
        "小米扫地机器人S10/E10配件套装 边刷滤网拖布", "vacuum_brush", 19),
    (("Roomba i5", "Roomba j7+"), "iRobot", "Dust Bags for iRobot Roomba Robot Vacuum i5 and j7+ (6 Pack)",
        "iRobot Roomba扫地机器人集尘袋 6个装", "vacuum_bags", 16),
    (("WD 3",), "Karcher", "Fleece Filter Bags for Karcher WD 3 Wet and Dry Vacuum Cleaner", "凯驰WD3吸尘器无纺布尘袋",
        "vacuum_bags", 15),
)  # fmt: skip
_PART_PITCH: Pitch = (
    ("Fits exactly and restores full suction.", "精准适配，恢复强劲吸力。"),
    ("Washable and long-lasting; vacuum cleaner not included.", "可水洗，经久耐用，不含吸尘器主机。"),
)
_CLEANERS = (
    ("Steam Mop 1500 W for Hard Floors", "1500W蒸汽拖把", "steam_mop", ("Bissell", "Karcher"), 90),
    ("Window Vacuum Cordless Squeegee", "无线擦窗机", "window_vacuum", ("Karcher", "Bosch"), 62),
    ("Pet Hair Remover Roller", "宠物毛发粘毛滚筒", "pet_hair_roller", ("ChomChom", "Kyberon"), 20),
    (
        "Vacuum Storage Bags for Clothes (10 Pack)",
        "真空压缩袋 衣物收纳 10个装",
        "vacuum_storage",
        ("Spacesaver", "Kyberon"),
        19,
    ),
    ("Vacuum Sealer for Food with Bags", "食品真空封口机 附真空袋", "vacuum_sealer", ("Foodsaver", "Xiaomi"), 58),
    ("Broom and Dustpan Set", "扫把簸箕套装", "broom", ("Vileda", "Leifheit"), 19),
)


def stock(shelf: Shelf) -> None:
    """Vacuum cleaners by colour, their parts (original and copied), other cleaning things."""
    for brand, model, style, price, colors, tags in _VACUUMS:
        english, chinese = _WORDS[style]
        pitch = [pair for tag in ("", *filter(None, tags.split("|"))) for pair in _PITCH[tag]]
        name = english if style != "robot" or "Robot" not in model else "Cleaner with Mop"
        for color in colors:
            shelf.add(
                "vacuums", (f"{{brand}} {{model}} {name}, {{color}}", f"{{brand_zh}} {{model}} {chinese} {{color_zh}}"),
                price,
                brand=brand, kind="vacuum", pitch=pitch, colors=[color], model=model, style=style, features=tags,
                specs={"type": english, "model": model},
            )  # fmt: skip
    for models, maker, title, zh, kind, price in _PARTS:
        for brand, factor in ((maker, 1.5), ("Kyberon", 1.0), ("CleanFit", 0.9)):
            shelf.add(
                "vacuum_accessories", (f"{{brand}} {title}", f"{{brand_zh}} {zh}" if brand != maker else f"{zh} 原装"),
                price * factor, brand=brand, kind=kind, pitch=_PART_PITCH, fits="|".join(models), for_brand=maker,
                specs={"compatible with": ", ".join(models)},
            )  # fmt: skip
    _stock_cleaners(shelf)


def _stock_cleaners(shelf: Shelf) -> None:
    for title, zh, kind, brands, price in _CLEANERS:
        for brand in brands:
            category = "kitchen" if kind == "vacuum_sealer" else "vacuum_accessories"
            shelf.add(
                category,
                (f"{{brand}} {title}", f"{{brand_zh}} {zh}"),
                price,
                brand=brand,
                kind=kind,
                pitch=_PART_PITCH[:1],
            )
