"""Televisions by the inch, and the mounts, remotes and cables that carry the same inches in their titles."""

from __future__ import annotations

from middleware.catalog.demo.shelf import Pitch, Shelf

# brand, series, panel, features, base price at 55 inches, sizes
_TVS = (
    ("Samsung", "QN90C", "QLED", "4k|smart", 1100, ("43", "55", "65")),
    ("Samsung", "CU7100", "LED", "4k|smart|budget", 420, ("43", "50", "55", "65", "75")),
    ("Samsung", "S90C", "OLED", "4k|smart|oled", 1350, ("55", "65", "77")),
    ("LG", "C3", "OLED", "4k|smart|oled|gaming", 1250, ("42", "48", "55", "65")),
    ("LG", "B3", "OLED", "4k|smart|oled", 1050, ("55", "65")),
    ("LG", "UR78", "LED", "4k|smart|budget", 410, ("43", "50", "55", "65")),
    ("Sony", "A80L", "OLED", "4k|smart|oled", 1500, ("55", "65")),
    ("Sony", "X75WL", "LED", "4k|smart", 600, ("43", "50", "55", "65")),
    ("TCL", "C745", "QLED", "4k|smart|gaming", 650, ("55", "65", "75")),
    ("Hisense", "A6K", "LED", "4k|smart|budget", 370, ("43", "50", "55", "65")),
    ("Hisense", "A4K", "LED", "smart|budget", 260, ("32", "40")),
    ("Xiaomi", "TV A2", "LED", "4k|smart|budget", 350, ("32", "43", "55")),
    ("Philips", "PUS8108", "LED", "4k|smart|ambilight", 580, ("43", "50", "55", "65")),
)  # fmt: skip
_TV_PITCH: Pitch = (
    ("A {inches}-inch television with brilliant colours and deep contrast.", "{inches}英寸电视，色彩鲜艳，对比度高。"),
    ("Streams Netflix and YouTube without another box.", "内置流媒体应用，无需外接盒子。"),
    ("Game mode with low latency and HDMI 2.1.", "低延迟游戏模式，支持HDMI 2.1。"),
    ("The {panel} panel looks good from every seat.", "{panel}面板，各角度观看效果俱佳。"),
)
# low and high inches, brand, price, style
_MOUNTS = (
    ("32", "55", "Invision", 24, "tilt"), ("32", "55", "Mounting Dream", 32, "swivel"),
    ("32", "65", "Kyberon", 22, "fixed"),
    ("37", "70", "Perlegear", 38, "swivel"), ("42", "75", "Mounting Dream", 45, "swivel"),
    ("26", "55", "Perlegear", 27, "swivel"),
    ("40", "80", "Invision", 35, "tilt"), ("13", "42", "Kyberon", 19, "swivel"), ("55", "85", "Vogel's", 110, "fixed"),
    ("43", "65", "Vogel's", 130, "swivel"), ("32", "75", "Hama", 29, "tilt"), ("55", "65", "Kyberon", 33, "tilt"),
)  # fmt: skip
_MOUNT_WORDS = {
    "tilt": ("Tilting", "可倾斜"),
    "swivel": ("Full Motion Swivel", "可旋转伸缩"),
    "fixed": ("Ultra Slim Fixed", "超薄固定"),
}
_MOUNT_PITCH: Pitch = (
    (
        "Holds flat and curved televisions up to 45 kg; drilling template included.",
        "承重45公斤，平面曲面电视通用，附打孔模板。",
    ),
    ("Check the VESA pattern of your TV before you buy; TV not included.", "购买前请核对电视VESA孔距，不含电视。"),
    ("Saves space in the living room.", "节省客厅空间。"),
)
# English, Chinese, kind, brands, price, fits brand
_EXTRAS = (
    ("Replacement Remote Control for Samsung Smart TV QLED 4K", "三星智能电视遥控器 通用替换", "tv_remote",
        ("Kyberon", "Gvirtue"), 13, "Samsung"),
    ("Magic Remote Control for LG OLED Smart TV C3 B3", "LG OLED智能电视动感遥控器", "tv_remote", ("LG", "Gvirtue"), 24,
        "LG"),
    ("Universal TV Remote for Sony Bravia 55 65 Inch TVs", "索尼电视通用遥控器", "tv_remote", ("Kyberon", "Gvirtue"),
        12, "Sony"),
    ("HDMI 2.1 Cable 2 m 8K for TV and Soundbar", "HDMI 2.1高清线 2米 8K 电视回音壁通用", "hdmi_cable",
        ("Ugreen", "Belkin", "Kyberon"), 15, "any"),
    ("HDMI Cable 5 m High Speed 4K", "HDMI高清线 5米 4K", "hdmi_cable", ("Ugreen", "Kyberon"), 13, "any"),
    ("4K Streaming Stick for TV with Voice Remote", "4K电视棒 语音遥控", "streaming_stick",
        ("Amazon", "Roku", "Xiaomi"), 45, "any"),
    ("TV Box Android 4K Media Player", "4K安卓电视盒子 播放器", "streaming_stick", ("Xiaomi", "Kyberon"), 55, "any"),
    ("TV Stand for 55 to 65 Inch TVs, Oak Cabinet", "电视柜 橡木色 适合55至65英寸电视", "tv_stand",
        ("Vidaro", "Nordhem"), 140, "any"),
    ("Universal TV Stand Table Top Feet for 32-55 Inch TV", "桌面电视底座 32-55英寸通用支架", "tv_stand",
        ("Kyberon", "Perlegear"), 36, "any"),
    ("Screen Cleaner Spray with Cloth for TV and Laptop", "屏幕清洁喷雾套装 电视笔记本适用", "screen_cleaner",
        ("Hama", "Kyberon"), 10, "any"),
    ("Outdoor TV Cover 55 Inch Waterproof", "户外电视防水罩 55英寸", "tv_cover", ("Kyberon", "Nordhem"), 30, "any"),
    ("LED Backlight Strip for 55 Inch TV, USB", "55英寸电视USB氛围灯带", "tv_light", ("Govee", "Kyberon"), 20, "any"),
)  # fmt: skip
_EXTRA_PITCH: Pitch = (
    ("Plug in and enjoy, no setup needed.", "即插即用，无需设置。"),
    ("Made for most televisions of the last ten years.", "适用于近十年大部分电视机型。"),
)


def stock(shelf: Shelf) -> None:
    """Televisions in their sizes, wall mounts by range, then what is around a television."""
    for brand, series, panel, features, price, sizes in _TVS:
        for inches in sizes:
            sharp, sharp_zh = ("4K Ultra HD", "4K超高清") if "4k" in features else ("Full HD", "全高清")
            shelf.add(
                "tvs",
                (f"{{brand}} {{series}} {inches} Inch {{panel}} {sharp} Smart TV",
                 f"{{brand_zh}} {{series}} {inches}英寸 {{panel}} {sharp_zh}智能电视"),
                price * (int(inches) / 55) ** 2, brand=brand, kind="tv", pitch=_TV_PITCH, year=2023,
                specs={"screen size": f"{inches} inch", "panel": panel, "model": series},
                model=series, series=series, panel=panel, inches=inches, features=features,
            )  # fmt: skip
    _stock_mounts(shelf)
    for title, zh, kind, brands, price, fits in _EXTRAS:
        for brand in brands:
            shelf.add(
                "tv_accessories", (f"{{brand}} {title}", f"{{brand_zh}} {zh}"), price, brand=brand, kind=kind,
                pitch=_EXTRA_PITCH, fits=fits,
            )  # fmt: skip


def _stock_mounts(shelf: Shelf) -> None:
    for low, high, brand, price, style in _MOUNTS:
        english, chinese = _MOUNT_WORDS[style]
        title = shelf.pick((
            f"{english} TV Wall Mount for {low}-{high} Inch TV, TV Bracket Fits Most {low} to {high} Inch TVs",
            f"{{brand}} TV Wall Bracket {english}, {low} to {high} Inch Flat Screen TV Mount",
        ))  # fmt: skip
        fits = "|".join(
            size
            for size in ("32", "40", "42", "43", "48", "50", "55", "65", "75", "77")
            if int(low) <= int(size) <= int(high)
        )
        shelf.add(
            "tv_accessories", (title, f"{{brand}} {chinese}电视壁挂架 {low}-{high}英寸 电视支架"), price, brand=brand,
            kind="tv_mount", pitch=_MOUNT_PITCH, specs={"screen size": f"{low}-{high} inch"}, fits=fits, style=style,
        )  # fmt: skip
