"""Shoes by size and colour: many titles say sneaker or trainer where a shopper says running shoes."""

from __future__ import annotations

from middleware.catalog.demo.shelf import Pitch, Shelf

# brand, model, style, price, colours, tags
_SHOES = (
    ("Nike", "Pegasus 40", "running", 120, ("black", "blue", "white"), "road"),
    ("Nike", "Revolution 7", "running", 60, ("black", "pink"), "road|budget"),
    ("Nike", "Air Zoom Terra Kiger 9", "trail", 130, ("green", "orange"), "trail"),
    ("Nike", "Air Force 1", "sneaker", 115, ("white", "black"), ""),
    ("Adidas", "Ultraboost Light", "running", 170, ("black", "white"), "road"),
    ("Adidas", "Duramo 10", "running", 55, ("black", "blue"), "road|budget"),
    ("Adidas", "Terrex Agravic", "trail", 125, ("black", "orange"), "trail|waterproof"),
    ("Adidas", "Stan Smith", "sneaker", 95, ("white", "green"), ""),
    ("Asics", "Gel-Kayano 30", "running", 180, ("blue", "black"), "road|stability"),
    ("Asics", "Gel-Nimbus 25", "running", 170, ("white", "purple"), "road"),
    ("Asics", "Gel-Contend 8", "running", 58, ("gray", "black"), "road|budget"),
    ("Brooks", "Ghost 15", "running", 135, ("black", "gray", "blue"), "road"),
    ("Brooks", "Cascadia 17", "trail", 140, ("green", "black"), "trail"),
    ("Brooks", "Adrenaline GTS 23", "running", 135, ("black", "pink"), "road|stability"),
    ("Hoka", "Clifton 9", "running", 145, ("orange", "white"), "road"),
    ("Hoka", "Speedgoat 5", "trail", 155, ("yellow", "blue"), "trail"),
    ("New Balance", "Fresh Foam 1080 v13", "running", 165, ("purple", "black"), "road"),
    ("New Balance", "574 Core", "sneaker", 90, ("gray", "navy"), ""),
    ("Salomon", "Speedcross 6 GTX", "trail", 150, ("black", "red"), "trail|waterproof"),
    ("Puma", "Velocity Nitro 2", "running", 105, ("red", "black"), "road"),
    ("Puma", "Smash V2", "sneaker", 50, ("white", "black"), "budget"),
    ("Xtep", "160X 3.0", "running", 98, ("orange", "white"), "road"),
    ("Li-Ning", "Feidian 3", "running", 110, ("yellow", "white"), "road"),
    ("Timberland", "6 Inch Premium Boot", "boots", 180, ("brown", "black"), "waterproof"),
    ("Dr. Martens", "1460", "boots", 170, ("black", "red"), ""),
    ("Merrell", "Moab 3 GTX", "hiking", 140, ("brown", "gray"), "waterproof"),
    ("Salomon", "X Ultra 4 GTX", "hiking", 150, ("black", "blue"), "waterproof"),
    ("Birkenstock", "Arizona", "sandals", 80, ("brown", "black"), ""),
    ("Crocs", "Classic Clog", "sandals", 45, ("pink", "navy", "white"), ""),
)
_STYLES = {
    "running": (("Running Shoes", "跑步鞋"), ("Running Shoe", "跑鞋"), ("Road Running Trainers", "公路跑鞋"),
        ("Neutral Cushioned Trainers", "缓震慢跑鞋")),
    "trail": (("Trail Running Shoes", "越野跑鞋"), ("Trail Running Shoe", "越野跑步鞋")),
    "sneaker": (("Sneakers", "板鞋 休闲运动鞋"), ("Casual Sneakers", "运动休闲鞋")),
    "boots": (("Leather Boots", "真皮短靴"), ("Lace-Up Boots", "系带靴")),
    "hiking": (("Hiking Shoes", "徒步鞋 登山鞋"),),
    "sandals": (("Sandals", "凉鞋"),),
}  # fmt: skip
_PITCH: dict[str, Pitch] = {
    "running": (
        ("Cushioned running shoes for daily miles on asphalt.", "缓震跑鞋，适合日常公路跑步。"),
        ("Breathable mesh keeps your feet dry over long distances.", "透气网面，长跑也不闷脚。"),
        ("From the first jog to the marathon.", "从第一次慢跑到马拉松都适用。"),
    ),
    "trail": (
        ("Deep lugs grip on mud, roots and rock.", "深纹大底，泥地、树根、岩石都能抓牢。"),
        ("Trail running shoes for mountains and forest.", "适合山地与林间越野跑。"),
    ),
    "sneaker": (
        ("A classic sneaker for the city.", "经典城市休闲鞋。"),
        ("Goes with jeans and with a dress.", "搭配牛仔裤或连衣裙都好看。"),
    ),
    "boots": (
        ("Sturdy leather for cold and wet days.", "结实皮革，无惧寒冷潮湿。"),
        ("Resoleable, made for years.", "可换底，经久耐穿。"),
    ),
    "hiking": (("Gore-Tex hiking shoes for wet trails.", "Gore-Tex防水徒步鞋，湿滑山路也放心。"),),
    "sandals": (("Light sandals for the beach and at home.", "轻便凉鞋，海滩居家皆宜。"),),
}
_EXTRAS = (
    ("Running Insoles with Arch Support, Shoe Inserts for Running Shoes Size {size}", "跑步鞋垫 足弓支撑 {size}码",
        "insoles", ("Superfeet", "Sidas", "Kyberon"), 32, ("39-41", "42-44")),
    ("Elastic No Tie Shoe Laces for Running Shoes and Sneakers", "弹性免系鞋带 跑鞋运动鞋通用", "laces",
        ("Lock Laces", "Kyberon"), 9, ("one size",)),
    ("Shoe Cleaner Kit for White Sneakers", "小白鞋清洁套装", "shoe_care", ("Jason Markk", "Collonil"), 16,
        ("one size",)),
    ("Leather Boot Polish Black 75 ml", "黑色皮靴鞋油 75毫升", "shoe_care", ("Collonil", "Kiwi"), 8, ("one size",)),
    ("Waterproof Spray for Shoes 300 ml", "鞋子防水喷雾 300毫升", "shoe_care", ("Collonil", "Kiwi"), 11, ("one size",)),
    ("Running Socks 3 Pairs, Size {size}", "跑步袜 三双装 {size}码", "running_socks", ("Nike", "Falke", "Xtep"), 15,
        ("39-42", "43-46")),
    ("Running Belt for Phone and Keys", "跑步腰包 手机钥匙收纳", "running_belt", ("FlipBelt", "Kyberon"), 20,
        ("one size",)),
    ("Shoe Rack for 12 Pairs", "12双鞋架", "shoe_rack", ("Nordhem", "Vidaro"), 32, ("one size",)),
)  # fmt: skip
_EXTRA_PITCH: Pitch = (
    ("Small thing, big difference on the next run.", "小物件，下次跑步大不同。"),
    ("Fits most shoes.", "适合大多数鞋款。"),
)
_SIZES = {"men": ("41", "42", "43", "44", "45"), "women": ("36", "37", "38", "39", "40")}
_FOR = {"men": ("Men's", "男款"), "women": ("Women's", "女款")}


def stock(shelf: Shelf) -> None:
    """Every model and colour for men and women in some sizes, then insoles, laces and care."""
    for brand, model, style, price, colors, tags in _SHOES:
        for color in colors:
            for gender in ("men", "women"):
                for size in shelf.some(_SIZES[gender], 2 if style == "running" and gender == "men" else 1):
                    _stock_shoe(shelf, brand, model, style, price, color, gender, size, tags)
    for title, zh, kind, brands, price, sizes in _EXTRAS:
        for brand in brands:
            for size in sizes:
                shelf.add(
                    "shoe_accessories", (f"{{brand}} {title}", f"{{brand_zh}} {zh}"), price, brand=brand, kind=kind,
                    pitch=_EXTRA_PITCH, size=size, specs={"size": size},
                )  # fmt: skip


def _stock_shoe(
    shelf: Shelf, brand: str, model: str, style: str, price: float, color: str, gender: str, size: str, tags: str
) -> None:
    english, chinese = shelf.pick(_STYLES[style])
    whose, whose_zh = _FOR[gender]
    proof, proof_zh = (" Waterproof", "防水") if "waterproof" in tags else ("", "")
    shelf.add(
        "shoes",
        (f"{{brand}} {{model}} {whose}{proof} {english}, {{color}}, EU {size}",
         f"{{brand_zh}} {{model}} {whose_zh}{proof_zh}{chinese} {{color_zh}} {size}码"),
        price, brand=brand, kind=style, pitch=_PITCH[style], colors=[color], model=model, gender=gender, size=size,
        features=tags, specs={"size": f"EU {size}", "gender": gender},
    )  # fmt: skip
