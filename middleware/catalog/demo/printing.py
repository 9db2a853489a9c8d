"""Printers, and the cartridges whose numbers look like each other and whose titles list the printers they fit."""

from __future__ import annotations

from middleware.catalog.demo.shelf import Pitch, Shelf

# brand, model, technology, colour?, price, cartridge, extra features
_PRINTERS = (
    ("HP", "DeskJet 2720e", "inkjet", True, 60, "305", "multifunction"),
    ("HP", "DeskJet 3720", "inkjet", True, 65, "304", "multifunction"),
    ("HP", "DeskJet 2630", "inkjet", True, 58, "304", "multifunction"),
    ("HP", "Envy 5030", "inkjet", True, 85, "304", "multifunction|photo"),
    ("HP", "Envy 6020e", "inkjet", True, 95, "305", "multifunction|photo"),
    ("HP", "OfficeJet Pro 8022", "inkjet", True, 140, "912", "multifunction|fax"),
    ("HP", "OfficeJet Pro 9010", "inkjet", True, 180, "963", "multifunction|fax"),
    ("HP", "LaserJet M110w", "laser", False, 115, "142A", ""),
    ("HP", "LaserJet Pro M404dn", "laser", False, 220, "59A", "duplex"),
    ("HP", "Color LaserJet M255dw", "laser", True, 280, "207A", "duplex"),
    ("Canon", "PIXMA TS3350", "inkjet", True, 55, "PG-545", "multifunction"),
    ("Canon", "PIXMA TS5350", "inkjet", True, 75, "PG-560", "multifunction|photo"),
    ("Canon", "PIXMA G3560", "inkjet", True, 190, "GI-51", "multifunction|tank"),
    ("Canon", "i-SENSYS LBP631", "laser", True, 210, "067", ""),
    ("Canon", "Selphy CP1500", "photo", True, 135, "RP-108", "photo"),
    ("Epson", "EcoTank ET-2810", "inkjet", True, 190, "104", "multifunction|tank"),
    ("Epson", "EcoTank ET-2850", "inkjet", True, 250, "102", "multifunction|tank|duplex"),
    ("Epson", "Expression Home XP-3200", "inkjet", True, 75, "604", "multifunction"),
    ("Epson", "Expression Photo XP-970", "inkjet", True, 280, "378", "photo|multifunction"),
    ("Brother", "DCP-J1050DW", "inkjet", True, 110, "LC421", "multifunction|duplex"),
    ("Brother", "HL-L2350DW", "laser", False, 125, "TN-2410", "duplex"),
    ("Brother", "MFC-L2710DW", "laser", False, 210, "TN-2410", "multifunction|fax|duplex"),
    ("Samsung", "Xpress M2026", "laser", False, 105, "MLT-D111S", ""),
    ("Xiaomi", "Instant Photo Printer 1S", "photo", True, 95, "", "photo"),
    ("Brother", "QL-700", "label", False, 60, "DK-22205", "label"),
)  # fmt: skip
_PRINTER_WORDS = {
    "inkjet": ("Inkjet Printer", "喷墨打印机"),
    "laser": ("Laser Printer", "激光打印机"),
    "photo": ("Photo Printer", "照片打印机"),
    "label": ("Label Printer", "标签打印机"),
}
_FEATURE_WORDS = (
    ("multifunction", "Scanner Copier", "打印复印扫描一体机"),
    ("fax", "Fax", "传真"),
    ("duplex", "Duplex", "双面打印"),
    ("tank", "Refillable Ink Tank", "墨仓式"),
)
_PRINTER_PITCH: Pitch = (
    ("Prints from phone and laptop over Wi-Fi.", "支持Wi-Fi，手机电脑均可打印。"),
    ("Set up in minutes with the app.", "通过应用几分钟完成设置。"),
    ("For home and small offices.", "适合家庭和小型办公室。"),
    ("Starter cartridges included.", "附赠初始墨盒。"),
)
# brand, number, kind, printers it fits, price, variants (name, Chinese, colour)
_INK = (
    ("HP", "304", "ink", ("DeskJet 3720", "DeskJet 2630", "Envy 5030"), 16),
    ("HP", "304XL", "ink", ("DeskJet 3720", "DeskJet 2630", "Envy 5030"), 27),
    ("HP", "305", "ink", ("DeskJet 2720e", "Envy 6020e"), 15),
    ("HP", "305XL", "ink", ("DeskJet 2720e", "Envy 6020e"), 26),
    ("HP", "302XL", "ink", ("OfficeJet 3830", "DeskJet 1110"), 32), ("HP", "912XL", "ink", ("OfficeJet Pro 8022",), 33),
    ("HP", "963", "ink", ("OfficeJet Pro 9010",), 28), ("HP", "142A", "toner", ("LaserJet M110w",), 42),
    ("HP", "59A", "toner", ("LaserJet Pro M404dn",), 95),
    ("HP", "207A", "toner", ("Color LaserJet M255dw",), 72), ("Canon", "PG-545XL", "ink", ("PIXMA TS3350",), 25),
    ("Canon", "PG-560", "ink", ("PIXMA TS5350",), 18),
    ("Canon", "GI-51", "ink", ("PIXMA G3560",), 13), ("Epson", "104", "ink", ("EcoTank ET-2810",), 11),
    ("Epson", "102", "ink", ("EcoTank ET-2850",), 14),
    ("Epson", "604XL", "ink", ("Expression Home XP-3200",), 27),
    ("Brother", "TN-2410", "toner", ("HL-L2350DW", "MFC-L2710DW"), 45),
    ("Brother", "LC421", "ink", ("DCP-J1050DW",), 15), ("Samsung", "MLT-D111S", "toner", ("Xpress M2026",), 58),
)  # fmt: skip
_INK_PITCH: Pitch = (
    ("Sharp text and lively colours to the last page.", "文字清晰，色彩鲜艳，印到最后一页。"),
    ("Recognised at once, without error messages; printer not included.", "即装即用不报错，不含打印机。"),
    ("Please compare the number of your old cartridge.", "购买前请核对旧墨盒型号。"),
)
_PAPER = (
    ("Printer Paper A4 80 g 500 Sheets", "A4打印纸 80克 500张", "paper", ("HP", "Navigator", "Xerox"), 7, ""),
    ("Printer Paper A4 80 g 5 x 500 Sheets Box", "A4打印纸 80克 5包整箱", "paper", ("Navigator", "Xerox"), 28, ""),
    ("Photo Paper 10x15 cm Glossy 100 Sheets", "10x15厘米光面相纸 100张", "photo_paper", ("Canon", "HP", "Epson"), 14,
        ""),
    ("Ink and Paper Set RP-108 for Selphy CP1500 Photo Printer", "RP-108色带相纸套装 适用Selphy CP1500", "photo_paper",
        ("Canon",), 33, "Selphy CP1500"),
    ("USB Printer Cable 2 m for HP, Canon and Epson Printer", "USB打印机数据线 2米 惠普佳能爱普生通用", "printer_cable",
        ("Ugreen", "Kyberon"), 8, ""),
    ("Printer Stand with Wheels", "打印机置物架 带轮", "printer_stand", ("Nordhem", "Kyberon"), 48, ""),
    ("Label Roll DK-22205 for Brother QL-700 Label Printer", "DK-22205标签纸 适用兄弟QL-700", "label_roll",
        ("Brother", "Kyberon"), 15, "QL-700"),
    ("3D Printer Filament PLA 1 kg", "3D打印耗材 PLA 1公斤", "filament", ("Creality", "Kyberon"), 20, ""),
)  # fmt: skip


def stock(shelf: Shelf) -> None:
    """Printers, original and compatible cartridges in their colours, paper and cables."""
    for brand, model, technology, colour, price, cartridge, features in _PRINTERS:
        _stock_printer(shelf, brand, model, technology, colour, price, cartridge, features)
    for brand, number, kind, printers, price in _INK:
        _stock_ink(shelf, brand, number, kind, printers, price)
    for title, zh, kind, brands, price, fits in _PAPER:
        for brand in brands:
            shelf.add(
                "printer_supplies", (f"{{brand}} {title}", f"{{brand_zh}} {zh}"), price, brand=brand, kind=kind,
                pitch=_INK_PITCH[:1], fits=fits,
            )  # fmt: skip


def _stock_printer(
    shelf: Shelf, brand: str, model: str, technology: str, colour: bool, price: float, cartridge: str, features: str
) -> None:
    english, chinese = _PRINTER_WORDS[technology]
    has = [words for name, *words in _FEATURE_WORDS if name in features]
    more, more_zh = " ".join(en for en, _ in has), " ".join(zh for _, zh in has)
    hue, hue_zh = ("Colour", "彩色") if colour else ("Black and White", "黑白")
    for shade in ("white", "black") if technology == "inkjet" and price < 120 else ("white",):
        shelf.add(
            "printers",
            (f"{{brand}} {{model}} {hue if technology != 'photo' else ''} {english} {more} Wi-Fi, {{color}}",
             f"{{brand_zh}} {{model}} {hue_zh}{chinese} {more_zh} 无线 {{color_zh}}"),
            price, brand=brand, kind="printer", pitch=_PRINTER_PITCH, colors=[shade], model=model,
            technology=technology,
            prints="colour" if colour else "mono", features=features, cartridge=cartridge,
            specs={"technology": technology, **({"cartridge": f"{brand} {cartridge}"} if cartridge else {})},
        )  # fmt: skip


def _stock_ink(shelf: Shelf, brand: str, number: str, kind: str, printers: tuple[str, ...], price: float) -> None:
    noun, noun_zh = ("Ink Cartridge", "墨盒") if kind == "ink" else ("Toner Cartridge", "硒鼓粉盒")
    shades = (
        (("Black", "黑色", "black"), ("Tri-Colour", "彩色", "multi"))
        if kind == "ink"
        else (("Black", "黑色", "black"),)
    )
    names = ", ".join(printers)
    for shade, shade_zh, hue in shades:
        base = {"fits": "|".join(printers), "number": number, "hue": hue, "for_brand": brand}
        shelf.add(
            "printer_supplies",
            (f"{{brand}} {number} {shade} Original {noun}", f"{{brand_zh}} {number} {shade_zh}原装{noun_zh}"), price,
            brand=brand, kind=kind, pitch=_INK_PITCH, colors=["black"] if hue == "black" else (), original="yes",
            specs={"compatible with": names, "number": number}, more=base,
        )  # fmt: skip
        for other in shelf.some(("Peach", "InkPro", "G&G"), 2):
            shelf.add(
                "printer_supplies",
                (f"{other} {noun} Replacement for {brand} {number} {shade}, Compatible with {brand} {names} Printer",
                 f"{other} 兼容{brand} {number} {shade_zh}{noun_zh} 适用{printers[0]}打印机"),
                price * 0.55, brand=other, kind=kind, pitch=_INK_PITCH, colors=["black"] if hue == "black" else (),
                original="no", specs={"compatible with": names}, more=base,
            )  # fmt: skip
