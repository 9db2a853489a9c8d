"""Cameras of every sort, lenses, and the batteries, bags and cards that borrow their names."""

from __future__ import annotations

from middleware.catalog.demo.shelf import Pitch, Shelf

# brand, model, style, year, price, battery, mount
_CAMERAS = (
    ("Canon", "EOS R10", "mirrorless", 2022, 880, "LP-E17", "RF"),
    ("Canon", "EOS R50", "mirrorless", 2023, 680, "LP-E17", "RF"),
    ("Canon", "EOS R6 Mark II", "mirrorless", 2022, 2300, "LP-E6NH", "RF"),
    ("Canon", "EOS 250D", "dslr", 2019, 620, "LP-E17", "EF"),
    ("Canon", "EOS 2000D", "dslr", 2018, 430, "LP-E10", "EF"),
    ("Canon", "PowerShot SX740", "compact", 2018, 420, "NB-13L", ""),
    ("Nikon", "Z50", "mirrorless", 2019, 850, "EN-EL25", "Z"),
    ("Nikon", "Z fc", "mirrorless", 2021, 890, "EN-EL25", "Z"),
    ("Nikon", "Z6 II", "mirrorless", 2020, 1650, "EN-EL15c", "Z"),
    ("Nikon", "D3500", "dslr", 2018, 480, "EN-EL14a", "F"),
    ("Nikon", "D7500", "dslr", 2017, 850, "EN-EL15c", "F"),
    ("Sony", "Alpha 6400", "mirrorless", 2019, 880, "NP-FW50", "E"),
    ("Sony", "Alpha 7 III", "mirrorless", 2018, 1650, "NP-FZ100", "E"),
    ("Sony", "Alpha 7 IV", "mirrorless", 2021, 2300, "NP-FZ100", "E"),
    ("Sony", "ZV-1", "compact", 2020, 650, "NP-BX1", ""),
    ("Fujifilm", "X-T5", "mirrorless", 2022, 1650, "NP-W235", "X"),
    ("Fujifilm", "X100V", "compact", 2020, 1350, "NP-W126S", ""),
    ("Fujifilm", "Instax Mini 12", "instant", 2023, 80, "AA", ""),
    ("Polaroid", "Now Gen 2", "instant", 2023, 115, "", ""),
    ("GoPro", "HERO11 Black", "action", 2022, 330, "Enduro", ""),
    ("GoPro", "HERO12 Black", "action", 2023, 400, "Enduro", ""), ("DJI", "Osmo Action 4", "action", 2023, 350, "", ""),
    ("Panasonic", "Lumix G100", "mirrorless", 2020, 560, "DMW-BLG10", "MFT"),
    ("Kodak", "PIXPRO FZ55", "compact", 2021, 120, "LB-012", ""),
)  # fmt: skip
_STYLES = {
    "mirrorless": ("Mirrorless Camera", "微单相机"),
    "dslr": ("DSLR Camera", "单反相机"),
    "compact": ("Compact Digital Camera", "便携数码相机"),
    "instant": ("Instant Camera", "拍立得相机"),
    "action": ("Action Camera Waterproof 4K", "防水4K运动相机"),
}
_KITS = {
    "mirrorless": (("Body Only", "单机身", 0), ("with 18-50 mm Kit Lens", "18-50mm镜头套机", 150)),
    "dslr": (("Body Only", "单机身", 0), ("with 18-55 mm Lens", "18-55mm镜头套机", 100)),
}
_CAMERA_PITCH: Pitch = (
    ("Sharp photos and 4K video with quick autofocus.", "对焦快速，照片锐利，支持4K视频。"),
    ("Flip screen and microphone jack for vloggers.", "翻转屏加麦克风接口，拍Vlog好帮手。"),
    ("Shares pictures with your phone by Wi-Fi.", "支持Wi-Fi传图到手机。"),
    ("Easy for beginners, with room to grow.", "新手易上手，进阶也够用。"),
)
_LENSES = (
    ("Canon", "RF 50mm f/1.8 STM", "RF", 180), ("Canon", "EF 50mm f/1.8 STM", "EF", 115),
    ("Canon", "EF-S 55-250mm f/4-5.6", "EF", 270),
    ("Canon", "RF 24-105mm f/4-7.1", "RF", 380), ("Nikon", "Z 40mm f/2", "Z", 250),
    ("Nikon", "AF-P 70-300mm f/4.5-6.3", "F", 330),
    ("Sony", "E 55-210mm f/4.5-6.3", "E", 250), ("Sony", "FE 50mm f/1.8", "E", 210),
    ("Sigma", "16mm f/1.4 DC DN", "E", 370),
    ("Sigma", "30mm f/1.4 DC DN", "X", 310), ("Fujifilm", "XF 35mm f/2", "X", 380),
    ("Tamron", "28-75mm f/2.8", "E", 750),
)  # fmt: skip
_MOUNTS = {"RF": "Canon RF", "EF": "Canon EF", "Z": "Nikon Z", "F": "Nikon F", "E": "Sony E", "X": "Fujifilm X"}
_LENS_PITCH: Pitch = (
    ("Bright and light, for portraits with a soft background.", "轻巧大光圈，人像虚化优美。"),
    ("Quiet autofocus, good for video too.", "对焦安静，视频拍摄同样适用。"),
)
# English, Chinese, kind, brands, price
_EXTRAS = (
    ("Camera Bag Shoulder Case for Canon EOS, Nikon and Sony Alpha DSLR Camera", "相机包 单肩 适用佳能尼康索尼单反",
        "camera_bag", ("Lowepro", "Kyberon", "Cullmann"), 32),
    ("Camera Backpack Waterproof for DSLR Camera and Lenses", "双肩摄影包 防水 单反镜头收纳", "camera_bag",
        ("Lowepro", "K&F Concept"), 65),
    ("Travel Tripod Aluminium 160 cm for Camera", "铝合金三脚架 160厘米 相机便携旅行", "tripod",
        ("Manfrotto", "K&F Concept", "Cullmann"), 60),
    ("Flexible Mini Tripod for Camera and Phone", "章鱼脚架 迷你三脚架 相机手机通用", "tripod", ("Joby", "Kyberon"),
        28),
    ("64 GB SD Card SDXC Memory Card for Camera, 170 MB/s", "64GB SD存储卡 相机内存卡 170MB/s", "memory_card",
        ("SanDisk", "Lexar", "Samsung"), 15),
    ("128 GB microSD Card for Action Camera, Phone and Drone", "128GB microSD存储卡 运动相机手机无人机", "memory_card",
        ("SanDisk", "Samsung", "Lexar"), 18),
    ("Camera Lens Cleaning Kit with Blower and Brush", "相机镜头清洁套装 气吹毛刷", "cleaning_kit",
        ("K&F Concept", "Kyberon"), 14),
    ("Camera Neck Strap Vintage Leather", "复古真皮相机背带", "camera_strap", ("Peak Design", "Kyberon"), 25),
    ("Security Camera Outdoor Wi-Fi 2K with Night Vision", "室外监控摄像头 2K Wi-Fi夜视", "security_camera",
        ("TP-Link", "Xiaomi", "Eufy"), 48),
    ("Webcam Full HD 1080p with Microphone for PC Video Calls", "1080p高清网络摄像头 带麦克风", "webcam",
        ("Logitech", "Kyberon"), 45),
    ("Dash Cam 4K Car Camera with GPS", "4K行车记录仪 GPS", "dash_cam", ("70mai", "Vantrue"), 95),
)  # fmt: skip
_EXTRA_PITCH: Pitch = (
    ("Padded, light and with room for everything you take along.", "轻便耐用，收纳合理。"),
    ("A useful companion for every photographer.", "摄影爱好者的实用搭档。"),
    ("Two years of warranty.", "两年质保。"),
)


def stock(shelf: Shelf) -> None:
    """Camera bodies and kits, lenses by mount, batteries and small parts by camera, then general accessories."""
    for brand, model, style, year, price, battery, mount in _CAMERAS:
        _stock_camera(shelf, brand, model, style, year, price, mount)
        if battery and style != "instant":
            _stock_battery(shelf, brand, model, battery)
    _stock_lenses(shelf)
    _stock_film(shelf)
    for title, zh, kind, brands, price in _EXTRAS:
        category = "cameras" if kind in ("security_camera", "dash_cam") else "camera_accessories"
        for brand in brands:
            shelf.add(
                category, (f"{{brand}} {title}", f"{{brand_zh}} {zh}"), price, brand=brand, kind=kind,
                pitch=_EXTRA_PITCH,
            )  # fmt: skip


def _stock_lenses(shelf: Shelf) -> None:
    for brand, model, mount, price in _LENSES:
        maker = _MOUNTS[mount]
        shelf.add(
            "camera_accessories",
            (f"{{brand}} {{model}} Lens for {maker} Mount Cameras", f"{{brand_zh}} {{model}} 镜头 {maker}卡口"),
            price, brand=brand, kind="lens", pitch=_LENS_PITCH, model=model, mount=mount, specs={"mount": maker},
            colors=["black"],
        )  # fmt: skip


def _stock_film(shelf: Shelf) -> None:
    for film, zh, fits, price in (
        ("Fujifilm Instax Mini Film 20 Sheets for Instax Mini 12", "富士Instax Mini相纸 20张", "Instax Mini 12", 16),
        ("Fujifilm Instax Mini Film 50 Sheets Value Pack", "富士Instax Mini相纸 50张超值装", "Instax Mini 12", 38),
        ("Polaroid i-Type Color Film for Polaroid Now", "宝丽来i-Type彩色相纸", "Now Gen 2", 17),
        ("Instax Mini 12 Case with Shoulder Strap, Pink", "Instax Mini 12相机包 带肩带 粉色", "Instax Mini 12", 14),
    ):
        shelf.add(
            "camera_accessories", (film, zh), price, brand=film.split()[0] if film[:5] != "Insta" else "Kyberon",
            kind="camera_bag" if "Case" in film else "film", pitch=_EXTRA_PITCH, fits=fits,
        )  # fmt: skip


def _stock_camera(shelf: Shelf, brand: str, model: str, style: str, year: int, price: float, mount: str) -> None:
    english, chinese = _STYLES[style]
    for kit, kit_zh, more in _KITS.get(style, (("", "", 0),)):
        shelf.add(
            "cameras", (f"{{brand}} {{model}} {english} {kit}", f"{{brand_zh}} {{model}} {chinese} {kit_zh}"),
            price + more,
            brand=brand, kind="camera", pitch=_CAMERA_PITCH, year=year, model=model, style=style, mount=mount,
            colors=[shelf.pick(("black", "silver"))], specs={"type": english, "model": model},
            kit="body" if kit == "Body Only" else "kit",
        )  # fmt: skip


def _stock_battery(shelf: Shelf, brand: str, model: str, battery: str) -> None:
    shelf.add(
        "camera_accessories",
        (f"{battery} Battery Compatible with {brand} {model} Camera (2 Pack) with USB Charger",
         f"{battery}电池 适用{{maker_zh}} {model}相机 两块装带充电器"),
        26, brand=shelf.pick(("Neewer", "Kyberon", "Newell")), kind="camera_battery", pitch=_EXTRA_PITCH, fits=model,
        battery=battery, maker_zh={"Canon": "佳能", "Nikon": "尼康", "Sony": "索尼", "Fujifilm": "富士",
            "Panasonic": "松下"}.get(brand, brand),
    )  # fmt: skip
