"""Laptops, tablets and what is plugged into them or wrapped around them."""

from __future__ import annotations

from middleware.catalog.demo.shelf import Pitch, Shelf

# brand, model, inches, year, price, (RAM, SSD) pairs, colours, features
_LAPTOPS = (
    ("Apple", "MacBook Air M1", "13", 2020, 850, ((8, 256), (8, 512)), ("gray", "gold"), "light|student"),
    ("Apple", "MacBook Air M2", "13", 2022, 1050, ((8, 256), (16, 512)), ("silver", "navy"), "light|student"),
    ("Apple", "MacBook Pro 14 M3", "14", 2023, 1650, ((16, 512), (36, 1000)), ("silver", "black"), "creative"),
    ("Apple", "MacBook Pro 16 M3", "16", 2023, 2400, ((36, 512),), ("silver", "black"), "creative"),
    ("Dell", "XPS 13", "13", 2022, 1050, ((16, 512),), ("silver",), "light"),
    ("Dell", "XPS 15", "15", 2023, 1600, ((16, 512), (32, 1000)), ("silver",), "creative"),
    ("Dell", "Inspiron 15", "15", 2022, 520, ((8, 256), (16, 512)), ("black", "silver"), "student|budget"),
    ("HP", "Pavilion 15", "15", 2022, 620, ((8, 512), (16, 512)), ("silver", "blue"), "student"),
    ("HP", "Spectre x360", "14", 2023, 1350, ((16, 1000),), ("black",), "light|convertible"),
    ("HP", "Victus 16", "16", 2023, 950, ((16, 512),), ("black",), "gaming"),
    ("HP", "Chromebook 14", "14", 2021, 290, ((4, 64),), ("white", "silver"), "student|budget"),
    ("Lenovo", "ThinkPad X1 Carbon", "14", 2023, 1550, ((16, 512), (32, 1000)), ("black",), "light|business"),
    ("Lenovo", "ThinkPad E14", "14", 2022, 760, ((8, 256), (16, 512)), ("black",), "business"),
    ("Lenovo", "IdeaPad 3", "15", 2022, 450, ((8, 256), (8, 512)), ("gray", "blue"), "student|budget"),
    ("Lenovo", "Legion 5", "15", 2023, 1150, ((16, 512), (32, 1000)), ("gray",), "gaming"),
    ("Asus", "ZenBook 14", "14", 2023, 880, ((16, 512),), ("blue", "gray"), "light"),
    ("Asus", "ROG Strix G16", "16", 2023, 1450, ((16, 1000),), ("gray",), "gaming"),
    ("Acer", "Aspire 5", "15", 2022, 480, ((8, 256), (16, 512)), ("silver",), "student|budget"),
    ("Acer", "Nitro 5", "15", 2022, 850, ((16, 512),), ("black",), "gaming"),
    ("Huawei", "MateBook D14", "14", 2022, 630, ((8, 512),), ("gray", "silver"), "light"),
    ("Xiaomi", "RedmiBook 15", "15", 2022, 560, ((8, 256),), ("gray",), "student|budget"),
)
_LAPTOP_PITCH: dict[str, Pitch] = {
    "light": (("At barely more than a kilo this notebook goes everywhere.", "机身轻薄，重量仅一公斤出头。"),),
    "student": (("A notebook computer for lectures, essays and streaming.", "上课、写论文、看视频都合适的笔记本。"),),
    "gaming": (("RTX graphics and a 144 Hz display for the newest games.", "RTX独显，144Hz高刷屏，畅玩新游戏。"),),
    "creative": (
        ("Enough power for video editing and large photo libraries.", "性能强劲，轻松剪辑视频、处理大量照片。"),
    ),
    "business": (
        ("Spill-proof keyboard, docking and long battery life for the office.", "防泼溅键盘，续航持久，商务办公首选。"),
    ),
    "budget": (("The affordable notebook for home and school.", "实惠好用，家用学习皆宜。"),),
    "convertible": (("The touch screen folds all the way round.", "触控屏可360度翻转。"),),
}
_LAPTOP_ANY: Pitch = (
    ("{ram} GB of memory and a fast {ssd} GB SSD.", "{ram}GB内存，{ssd}GB高速固态硬盘。"),
    ("The {inches}-inch display is sharp and easy on the eyes.", "{inches}英寸屏幕，清晰护眼。"),
)
_TABLETS = (
    ("Apple", "iPad 10", "10.9", 2022, 430, ("blue", "pink")),
    ("Apple", "iPad Air 5", "10.9", 2022, 580, ("purple", "gray")),
    ("Apple", "iPad Pro 11", "11", 2022, 850, ("silver", "gray")),
    ("Samsung", "Galaxy Tab S9", "11", 2023, 760, ("beige", "gray")),
    ("Samsung", "Galaxy Tab A8", "10.5", 2022, 220, ("gray", "pink")),
    ("Xiaomi", "Pad 6", "11", 2023, 330, ("blue", "gray")),
    ("Lenovo", "Tab M10", "10.1", 2022, 170, ("gray",)),
    ("Amazon", "Fire HD 10 Kids", "10.1", 2023, 180, ("blue", "purple")),
)  # fmt: skip
_TABLET_PITCH: Pitch = (
    ("For reading, drawing and films on the sofa.", "阅读、绘画、追剧好帮手。"),
    ("Works with a pen and a keyboard, sold separately.", "支持手写笔和键盘，需另购。"),
    ("All-day battery and stereo speakers.", "全天续航，立体声扬声器。"),
)
_MOUSE_PITCH: Pitch = (
    ("Works with Windows, macOS and ChromeOS.", "兼容Windows、macOS和ChromeOS。"),
    ("Compact, light and made for daily work.", "小巧轻便，适合日常办公。"),
    ("Takes little space in the laptop bag.", "放进电脑包也不占地方。"),
)
# English title, Chinese title, kind, brands, price, fits, facts
_ACCESSORIES = (
    ("{brand} Laptop Sleeve 13-14 Inch, Compatible with MacBook Air and MacBook Pro, {color}",
        "{brand} 13-14英寸笔记本内胆包 适用MacBook {color_zh}", "laptop_sleeve", ("Tomtoc", "Kyberon", "Inateck"), 22,
        "13|14|MacBook", ""),
    ("{brand} Laptop Sleeve 15.6 Inch Case for Notebook, {color}", "{brand} 15.6英寸笔记本电脑包 内胆包 {color_zh}",
        "laptop_sleeve", ("Tomtoc", "Kyberon", "Inateck"), 23, "15|16", ""),
    ("{brand} Laptop Backpack with USB Port for 15.6 Inch Laptop, {color}",
        "{brand} 双肩电脑包 15.6英寸 带USB口 {color_zh}", "laptop_bag", ("Xiaomi", "Lenovo", "Kyberon"), 38, "15|14|13",
        ""),
    ("{brand} Hard Shell Case for MacBook Air 13 M1, {color}", "{brand} MacBook Air 13 M1保护壳 {color_zh}",
        "laptop_sleeve", ("Mosiso", "Kyberon"), 21, "MacBook|MacBook Air M1", ""),
    ("{brand} 96W USB-C Power Adapter for MacBook Pro and MacBook Air Laptop Charger",
        "{brand_zh} 96W USB-C电源适配器 MacBook笔记本充电器", "laptop_charger", ("Apple", "Anker", "Kyberon"), 55,
        "MacBook", ""),
    ("{brand} 65W Laptop Charger for Lenovo ThinkPad and IdeaPad", "{brand_zh} 65W笔记本充电器 适用ThinkPad/IdeaPad",
        "laptop_charger", ("Lenovo", "Kyberon"), 32, "ThinkPad|IdeaPad", ""),
    ("{brand} USB-C Hub 7 in 1 with HDMI for MacBook, Dell XPS and ThinkPad",
        "{brand_zh} 七合一USB-C扩展坞 HDMI 适用MacBook", "dock", ("Anker", "Ugreen", "Baseus"), 40,
        "MacBook|XPS|ThinkPad", "usb-c"),
    ("{brand} USB-C Docking Station Dual Monitor 100W", "{brand_zh} USB-C双屏扩展坞 100W供电", "dock",
        ("Dell", "Anker", "Lenovo"), 150, "any", "usb-c"),
    ("{brand} Adjustable Laptop Stand Aluminium", "{brand_zh} 铝合金笔记本支架 可调节", "laptop_stand",
        ("Ugreen", "Kyberon", "Baseus"), 28, "any", ""),
    ("{brand} Laptop Cooling Pad for Gaming Laptop 15.6-17 Inch", "{brand} 游戏本散热器 15.6-17英寸", "laptop_stand",
        ("Kyberon", "Havit"), 32, "15|16|gaming", ""),
    ("{brand} Wireless Mouse M185 for Laptop", "{brand_zh} 无线鼠标 M185 笔记本适用", "mouse", ("Logitech",), 15, "any",
        "wireless"),
    ("{brand} MX Master 3S Wireless Mouse, {color}", "{brand_zh} MX Master 3S 无线鼠标 {color_zh}", "mouse",
        ("Logitech",), 95, "any", "wireless|bluetooth|silent"),
    ("{brand} Silent Bluetooth Mouse, {color}", "{brand_zh} 静音蓝牙鼠标 {color_zh}", "mouse",
        ("Xiaomi", "Lenovo", "HP"), 18, "any", "wireless|bluetooth|silent"),
    ("{brand} Gaming Mouse RGB 16000 DPI Wired", "{brand_zh} 有线游戏鼠标 RGB 16000DPI", "mouse",
        ("Logitech", "Razer", "Kyberon"), 42, "any", "wired|gaming"),
    ("{brand} Magic Mouse, {color}", "{brand_zh} Magic Mouse 妙控鼠标 {color_zh}", "mouse", ("Apple",), 79, "MacBook",
        "wireless|bluetooth"),
    ("{brand} Wireless Keyboard Compact Bluetooth, {color}", "{brand_zh} 便携蓝牙无线键盘 {color_zh}", "keyboard",
        ("Logitech", "Xiaomi", "Kyberon"), 42, "any", "wireless|bluetooth"),
    ("{brand} Mechanical Gaming Keyboard RGB", "{brand_zh} RGB机械游戏键盘", "keyboard",
        ("Logitech", "Razer", "Kyberon"), 85, "any", "wired|gaming|mechanical"),
    ("{brand} Mouse Pad XXL Desk Mat, {color}", "{brand} 超大鼠标垫 桌垫 {color_zh}", "mouse_pad", ("Razer", "Kyberon"),
        17, "any", ""),
    ("{brand} 1 TB Portable SSD USB-C", "{brand_zh} 1TB移动固态硬盘 USB-C", "storage",
        ("Samsung", "SanDisk", "Crucial"), 95, "any", ""),
    ("{brand} USB Flash Drive 64 GB USB 3.2", "{brand_zh} 64GB U盘 USB 3.2", "storage", ("SanDisk", "Samsung"), 9,
        "any", ""),
    ("{brand} Privacy Screen Filter for 14 Inch Laptop", "{brand} 14英寸笔记本防窥膜", "laptop_screen_filter",
        ("3M", "Kyberon"), 33, "14", ""),
    ("{brand} Smart Folio Case for iPad Air 5 and iPad 10, {color}", "{brand} iPad Air 5/iPad 10 智能保护套 {color_zh}",
        "tablet_case", ("Apple", "ESR", "Kyberon"), 36, "iPad|iPad Air 5|iPad 10", ""),
    ("{brand} Stylus Pen for iPad with Palm Rejection", "{brand} iPad触控笔 防误触手写笔", "stylus",
        ("Apple", "ESR", "Kyberon"), 45, "iPad", ""),
    ("{brand} Keyboard Case for iPad Pro 11 with Trackpad", "{brand_zh} iPad Pro 11 键盘保护套 带触控板", "tablet_case",
        ("Logitech", "Apple"), 140, "iPad|iPad Pro 11", "bluetooth"),
)  # fmt: skip


def stock(shelf: Shelf) -> None:
    """Laptops in their configurations, tablets, then accessories of every maker."""
    for brand, model, inches, year, price, memories, colors, features in _LAPTOPS:
        for ram, ssd in memories:
            for color in colors:
                _stock_laptop(shelf, brand, model, inches, year, price + ram * 15, (ram, ssd), color, features)
    for brand, model, inches, year, price, colors in _TABLETS:
        for color in colors:
            shelf.add(
                "tablets", ("{brand} {model} Tablet {inches} Inch Wi-Fi, {color}",
                    "{brand_zh} {model} 平板电脑 {inches}英寸 {color_zh}"),
                price, brand=brand, kind="tablet", pitch=_TABLET_PITCH, colors=[color], year=year,
                specs={"screen size": f"{inches} inch", "model": model}, model=model, inches=inches,
                features="kids" if "Kids" in model else "", line=model.split()[0],
            )  # fmt: skip
    for title, zh, kind, brands, price, fits, features in _ACCESSORIES:
        for brand in brands:
            painted = [shelf.pick(("black", "gray", "blue", "pink"))] if "{color}" in title else []
            shelf.add(
                "computer_accessories", (title, zh), price, brand=brand, kind=kind, pitch=_MOUSE_PITCH, colors=painted,
                specs={"compatible with": fits.replace("|", ", ")} if fits != "any" else {}, fits=fits,
                features=features,
            )  # fmt: skip


def _stock_laptop(
    shelf: Shelf,
    brand: str,
    model: str,
    inches: str,
    year: int,
    price: float,
    memory: tuple[int, int],
    color: str,
    features: str,
) -> None:
    pitch = [*_LAPTOP_ANY, *(pair for feature in features.split("|") for pair in _LAPTOP_PITCH[feature])]
    use, use_zh = ("Gaming Laptop", "游戏笔记本电脑") if "gaming" in features else ("Laptop", "笔记本电脑")
    ram, ssd = str(memory[0]), str(memory[1])
    shelf.add(
        "laptops",
        (f"{{brand}} {{model}} {use} {{inches}} Inch, {{ram}} GB RAM, {{ssd}} GB SSD, {{color}}",
         f"{{brand_zh}} {{model}} {use_zh} {{inches}}英寸 {{ram}}GB+{{ssd}}GB {{color_zh}}"),
        price, brand=brand, kind="laptop", pitch=pitch, colors=[color], year=year,
        specs={"screen size": f"{inches} inch", "memory": f"{ram} GB", "storage": f"{ssd} GB"},
        model=model, line=model.split()[0], inches=inches, features=features, ram=ram, ssd=ssd,
    )  # fmt: skip
