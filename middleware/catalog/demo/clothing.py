"""Clothes whose colour words may belong to the garment, to its buttons or to what it is sewn with."""

from __future__ import annotations

from middleware.catalog.demo.shelf import Pitch, Shelf

# kind, English, Chinese, price, colours, tags
_WOMEN = (
    ("dress", "Evening Dress Long", "长款晚礼服", 85, ("black", "red", "navy", "green"), "evening"),
    ("dress", "Cocktail Dress Knee Length", "及膝小礼服裙", 65, ("black", "red", "gold"), "evening"),
    ("dress", "Summer Dress Floral Print", "碎花连衣裙 夏季", 38, ("yellow", "blue", "white"), "summer"),
    ("dress", "Wrap Dress with Belt", "系带裹身连衣裙", 48, ("black", "green", "purple"), ""),
    ("dress", "Knitted Dress Long Sleeve", "长袖针织连衣裙", 52, ("gray", "black", "beige"), "winter"),
    ("skirt", "Pleated Midi Skirt", "百褶半身裙", 34, ("black", "navy", "pink"), ""),
    ("blouse", "Silk Blouse", "真丝衬衫", 58, ("white", "pink", "black"), ""),
    ("jacket", "Down Jacket with Hood", "连帽羽绒服", 130, ("black", "white", "purple"), "winter|warm"),
    ("jacket", "Rain Jacket Waterproof", "防水雨衣外套", 75, ("yellow", "navy", "green"), "waterproof"),
    ("leggings", "Running Leggings High Waist", "高腰跑步紧身裤", 35, ("black", "navy"), "sport"),
    ("sweater", "Wool Sweater Turtleneck", "高领羊毛衫", 58, ("beige", "gray", "red"), "winter|warm"),
    ("jeans", "Skinny Jeans", "修身牛仔裤", 52, ("blue", "black"), ""),
)
_MEN = (
    ("shirt", "Business Shirt Slim Fit Non-Iron", "商务衬衫 修身免烫", 42, ("white", "blue", "black"), ""),
    ("tshirt", "T-Shirt Cotton (3 Pack)", "纯棉T恤 三件装", 24, ("black", "white", "gray"), ""),
    ("tshirt", "Running T-Shirt Quick Dry", "速干跑步T恤", 26, ("orange", "blue", "black"), "sport"),
    ("jacket", "Winter Jacket Warm Lined", "加绒保暖冬季外套", 115, ("black", "navy", "green"), "winter|warm"),
    ("jacket", "Rain Jacket Waterproof Packable", "便携防水冲锋衣", 85, ("blue", "orange", "black"), "waterproof"),
    ("jacket", "Leather Jacket Biker", "机车皮衣", 160, ("black", "brown"), ""),
    ("jeans", "Straight Jeans", "直筒牛仔裤", 58, ("blue", "black", "gray"), ""),
    ("sweater", "Merino Sweater V-Neck", "V领美利奴羊毛衫", 68, ("navy", "gray", "green"), "winter|warm"),
    ("suit", "Two-Piece Suit Slim Fit", "修身西装两件套", 180, ("navy", "gray", "black"), "evening"),
    ("shorts", "Running Shorts with Pocket", "跑步短裤 带口袋", 24, ("black", "blue"), "sport"),
    ("hoodie", "Hoodie Basic", "基础款连帽卫衣", 36, ("gray", "black", "green"), ""),
)
_WOMENS_BRANDS = ("Vero Moda", "Esprit", "Mango", "Only", "Lindqvist")
_MENS_BRANDS = ("Levi's", "Jack & Jones", "Esprit", "Tommy Hilfiger", "Lindqvist")
_SPORT_BRANDS = ("Nike", "Adidas", "Puma", "Xtep")
_PITCH: Pitch = (
    ("Soft on the skin and true to size.", "亲肤柔软，尺码标准。"),
    ("Machine washable at 30 degrees.", "可30度机洗。"),
    ("Looks good at the office and on the weekend.", "上班周末都好穿。"),
    ("In {color}; the model wears size M.", "{color_zh}款，模特身穿M码。"),
)
_SIZES = ("XS", "S", "M", "L", "XL")
# a garment in one colour whose title names another one: the trap of colour queries
_TWO_TONE = (
    ("dress", "White Shirt Dress with Black Buttons", "白色衬衫裙 黑色纽扣", 45, "white", "black"),
    ("dress", "Red Dress with Black Lace Trim", "红色连衣裙 黑色蕾丝边", 55, "red", "black"),
    ("dress", "Navy Dress with White Collar", "藏青色连衣裙 白色领子", 49, "navy", "white"),
    ("dress", "Beige Dress with Black Belt and Black Buttons", "米色连衣裙 黑色腰带黑纽扣", 47, "beige", "black"),
    ("dress", "Green Dress with Red Flowers", "绿色连衣裙 红色花朵", 42, "green", "red"),
    ("blouse", "Black Blouse with White Dots", "黑色波点衬衫", 33, "black", "white"),
    ("skirt", "Blue Skirt with Red Stripes", "蓝色红条纹半身裙", 29, "blue", "red"),
)
# category, kind, English, Chinese, price, brands
_SMALL = (
    ("sewing", "buttons", "Black Buttons for Dress and Blouse, 50 pcs", "黑色纽扣 50粒 连衣裙衬衫用", 6,
        ("Prym", "Kyberon")),
    ("sewing", "buttons", "White Shirt Buttons, 100 pcs", "白色衬衫纽扣 100粒", 6, ("Prym", "Kyberon")),
    ("sewing", "zipper", "Invisible Zipper for Dress, Black, 60 cm", "隐形拉链 黑色 60厘米 连衣裙用", 4,
        ("Prym", "YKK")),
    ("sewing", "dye", "Textile Dye Black for Dress, Jeans and Shirts", "黑色衣物染料 牛仔裤连衣裙可用", 9,
        ("Simplicol", "Dylon")),
    ("sewing", "garment_bag", "Garment Bag Black for Dress and Suit, 3 pcs", "黑色防尘衣罩 连衣裙西装用 三个装", 16,
        ("Hangerworld", "Kyberon")),
    ("sewing", "pattern", "Sewing Pattern Summer Dress Sizes 36-44", "夏季连衣裙裁剪纸样 36-44码", 11,
        ("Burda", "Simplicity")),
    ("sewing", "sewing_machine", "Sewing Machine 25 Stitches for Beginners", "25种针迹缝纫机 新手适用", 140,
        ("Singer", "Brother")),
    ("mens_clothing", "belt", "Leather Belt Black 3.5 cm", "黑色真皮腰带 3.5厘米", 24, ("Levi's", "Esprit")),
    ("mens_clothing", "tie", "Silk Tie Navy", "藏青色真丝领带", 19, ("Lindqvist", "Tommy Hilfiger")),
    ("womens_clothing", "scarf", "Wool Scarf Red", "红色羊毛围巾", 22, ("Esprit", "Mango")),
    ("womens_clothing", "tights", "Black Tights 40 Denier for Dress and Skirt (3 Pack)", "黑色连裤袜 40D 三双装", 12,
        ("Falke", "Kyberon")),
)  # fmt: skip
_SMALL_PITCH: Pitch = (
    ("Good quality at a fair price.", "品质好，价格实惠。"),
    ("For dresses, shirts and everything else in the wardrobe.", "连衣裙、衬衫等衣物皆可搭配使用。"),
)


def stock(shelf: Shelf) -> None:
    """Garments by colour for women and men, the two-tone ones, then sewing and small things."""
    for gender, category, rows, brands in (
        ("women", "womens_clothing", _WOMEN, _WOMENS_BRANDS),
        ("men", "mens_clothing", _MEN, _MENS_BRANDS),
    ):
        for kind, english, chinese, price, colors, tags in rows:
            makers = _SPORT_BRANDS if tags == "sport" else brands
            for color in colors:
                brand = shelf.pick(makers)
                _stock_garment(shelf, category, gender, kind, (english, chinese), price, color, tags, brand)
    _stock_two_tone(shelf)
    _stock_small_things(shelf)


def _stock_two_tone(shelf: Shelf) -> None:
    for kind, english, chinese, price, color, accent in _TWO_TONE:
        for brand in shelf.some(_WOMENS_BRANDS, 2):
            shelf.add(
                "womens_clothing", (f"{{brand}} Women's {english}", f"{{brand}} 女款 {chinese}"), price, brand=brand,
                kind=kind, pitch=_PITCH[:3], colors=[color], gender="women",
                accent=accent, specs={"size": shelf.pick(_SIZES)},
            )  # fmt: skip


def _stock_small_things(shelf: Shelf) -> None:
    for category, kind, english, chinese, price, brands in _SMALL:
        named = [color for color in ("black", "white", "navy", "red") if color in english.lower()]
        for brand in brands:
            shelf.add(
                category, (f"{{brand}} {english}", f"{{brand_zh}} {chinese}"), price, brand=brand, kind=kind,
                pitch=_SMALL_PITCH, colors=named,
            )  # fmt: skip


def _stock_garment(
    shelf: Shelf,
    category: str,
    gender: str,
    kind: str,
    names: tuple[str, str],
    price: float,
    color: str,
    tags: str,
    brand: str,
) -> None:
    whose, whose_zh = ("Women's", "女款") if gender == "women" else ("Men's", "男款")
    titles = shelf.pick((
        (f"{{brand}} {whose} {names[0]}, {{color}}", f"{{brand_zh}} {whose_zh}{names[1]} {{color_zh}}"),
        (f"{{color}} {names[0]} for {'Women' if gender == 'women' else 'Men'} by {{brand}}",
            f"{{color_zh}}{names[1]} {whose_zh} {{brand_zh}}"),
    ))  # fmt: skip
    size = shelf.pick(_SIZES)
    shelf.add(
        category, titles, price, brand=brand, kind=kind, pitch=_PITCH, colors=[color], gender=gender, features=tags,
        size=size, specs={"size": size, "gender": gender},
    )  # fmt: skip
