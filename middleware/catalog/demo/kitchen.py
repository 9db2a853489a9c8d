"""Coffee, kitchen and food: generic words (apple, orange, java) that are brands elsewhere in the shop."""

from __future__ import annotations

from middleware.catalog.demo.shelf import Pitch, Shelf

# brand, model, style, price, colours
_MACHINES = (
    ("De'Longhi", "Dedica EC685", "espresso", 190, ("silver", "black", "red")),
    ("De'Longhi", "Magnifica S", "automatic", 350, ("black", "silver")),
    ("De'Longhi", "Dinamica Plus", "automatic", 690, ("silver",)),
    ("Philips", "LatteGo 2200", "automatic", 370, ("black",)),
    ("Philips", "LatteGo 5400", "automatic", 560, ("black", "silver")),
    ("Nespresso", "Essenza Mini", "capsule", 95, ("black", "white", "red")),
    ("Nespresso", "Vertuo Pop", "capsule", 90, ("black", "yellow", "blue")),
    ("Krups", "Nescafe Dolce Gusto Genio", "capsule", 70, ("black", "gray")),
    ("Melitta", "Easy Therm", "filter", 45, ("black", "white")),
    ("Moccamaster", "KBG Select", "filter", 240, ("silver", "red", "black")),
    ("Braun", "PurAroma 7", "filter", 65, ("black",)),
    ("Sage", "Barista Express", "espresso", 560, ("silver", "black")),
    ("Gaggia", "Classic Pro", "espresso", 430, ("silver", "white")),
    ("Bialetti", "Moka Express 6 Cups", "moka", 35, ("silver", "red")),
    ("Hario", "V60 Dripper Set", "pour_over", 28, ("white", "black")),
    ("Bodum", "Chambord French Press 1 L", "french_press", 36, ("silver", "gold")),
    ("AeroPress", "Original", "press", 36, ("gray",)), ("Xiaomi", "Scishare Capsule S1102", "capsule", 75, ("white",)),
)  # fmt: skip
_MACHINE_WORDS = {
    "espresso": ("Espresso Machine with Milk Frother", "意式半自动咖啡机 带奶泡器"),
    "automatic": ("Fully Automatic Bean to Cup Coffee Machine", "全自动咖啡机 现磨"),
    "capsule": ("Capsule Coffee Machine", "胶囊咖啡机"),
    "filter": ("Filter Coffee Maker 1.25 L", "滴滤式咖啡机 1.25升"),
    "moka": ("Stovetop Coffee Maker", "摩卡壶"),
    "pour_over": ("Pour Over Coffee Maker", "手冲咖啡壶套装"),
    "french_press": ("Coffee Maker", "法压壶"),
    "press": ("Portable Coffee Maker", "便携咖啡压滤器"),
}
_MACHINE_PITCH: Pitch = (
    ("Hot coffee in under a minute.", "一分钟内即可享用热咖啡。"),
    ("Cappuccino and latte as in your favourite cafe.", "在家也能做出咖啡馆级的卡布奇诺和拿铁。"),
    ("Removable water tank, quick to clean.", "水箱可拆卸，清洗方便。"),
)
# English, Chinese, kind, brands, price, facts
_COFFEE = (
    ("Coffee Machine Descaler 500 ml for De'Longhi, Philips and Nespresso Coffee Machines",
        "咖啡机除垢剂 500毫升 德龙飞利浦通用", "descaler", ("De'Longhi", "Durgol", "Kyberon"), 14,
        "automatic|espresso|capsule"),
    ("Coffee Machine Cleaning Tablets (10 pcs) for Espresso Machine", "咖啡机清洁片 10片装", "descaler",
        ("Urnex", "Kyberon"), 11, "automatic|espresso"),
    ("Water Filter for De'Longhi Coffee Machine Magnifica and Dinamica (2 Pack)", "德龙咖啡机滤水器 两只装",
        "water_filter", ("De'Longhi", "Kyberon"), 17, "automatic"),
    ("Water Filter AquaClean for Philips LatteGo Coffee Machine", "飞利浦LatteGo咖啡机滤芯", "water_filter",
        ("Philips", "Kyberon"), 13, "automatic"),
    ("Electric Coffee Grinder with Conical Burr", "电动锥形磨豆机", "grinder", ("Baratza", "Bosch", "Xiaomi"), 85, ""),
    ("Manual Coffee Grinder Ceramic Burr", "手摇磨豆机 陶瓷磨芯", "grinder", ("Hario", "Kyberon"), 32, ""),
    ("Coffee Capsules Intenso for Nespresso Original, 50 Pods", "浓缩咖啡胶囊 50粒 适配Nespresso", "coffee_capsules",
        ("Lavazza", "Starbucks", "Illy"), 19, "capsule"),
    ("Dolce Gusto Cappuccino Capsules, 30 Pods", "多趣酷思卡布奇诺胶囊 30粒", "coffee_capsules", ("Nescafe",), 13,
        "capsule"),
    ("Whole Coffee Beans Espresso Roast 1 kg", "意式烘焙咖啡豆 1公斤", "coffee_beans",
        ("Lavazza", "Illy", "Starbucks", "Segafredo"), 18, ""),
    ("Ground Coffee Arabica 250 g", "阿拉比卡咖啡粉 250克", "ground_coffee", ("Lavazza", "Illy", "Segafredo"), 6, ""),
    ("Instant Coffee Gold Blend 200 g", "金牌速溶咖啡 200克", "instant_coffee", ("Nescafe", "Starbucks"), 8, ""),
    ("Paper Coffee Filters Size 4, 100 pcs", "4号咖啡滤纸 100张", "coffee_filter_paper", ("Melitta", "Hario"), 5,
        "filter"),
    ("Milk Frother Electric Handheld for Coffee", "手持电动奶泡器", "milk_frother", ("Kyberon", "Bodum"), 14, ""),
    ("Coffee Mug Ceramic 350 ml", "陶瓷咖啡杯 350毫升", "mug", ("Villeroy & Boch", "Kyberon"), 12, ""),
    ("Travel Mug Stainless Steel 500 ml, Thermo Coffee Cup", "不锈钢保温咖啡杯 500毫升", "mug",
        ("Stanley", "Xiaomi", "Contigo"), 24, "thermo"),
)  # fmt: skip
_COFFEE_PITCH: Pitch = (
    ("For everyone who starts the day with a good cup.", "为每一天的美好咖啡时光而准备。"),
    ("Keeps flavour and machine at their best.", "保持咖啡风味，呵护机器。"),
    ("Recommended by baristas.", "咖啡师推荐之选。"),
)
_KITCHEN = (
    ("Apple Slicer and Corer Stainless Steel, 8 Slices", "不锈钢苹果切片器 去核器", "apple_slicer",
        ("OXO", "Kyberon", "WMF"), 13, ""),
    ("Apple Peeler with Crank and Suction Base", "手摇苹果削皮机", "apple_slicer", ("Westmark", "Kyberon"), 24, ""),
    ("Orange Juicer Electric Citrus Press", "电动榨橙汁机", "juicer", ("Braun", "Philips", "Kyberon"), 32, "citrus"),
    ("Slow Juicer for Apple, Carrot and Ginger Juice", "原汁机 慢速榨汁机", "juicer", ("Hurom", "Philips"), 140, ""),
    ("Electric Kettle 1.7 L Stainless Steel", "不锈钢电热水壶 1.7升", "kettle", ("Bosch", "Philips", "Xiaomi", "Braun"),
        38, ""),
    ("Gooseneck Kettle with Temperature Control for Pour Over Coffee", "温控鹅颈手冲壶", "kettle", ("Hario", "Xiaomi"),
        60, "gooseneck"),
    ("Blender 1000 W with Glass Jar for Smoothies", "1000W玻璃搅拌机 奶昔机", "blender", ("Bosch", "Philips", "Ninja"),
        75, ""),
    ("Portable Blender USB Rechargeable, {color}", "便携充电榨汁杯 {color_zh}", "blender", ("Xiaomi", "Kyberon"), 27,
        "portable"),
    ("Air Fryer 5.5 L Hot Air Fryer Without Oil", "5.5升空气炸锅 无油", "air_fryer",
        ("Philips", "Ninja", "Xiaomi", "Cosori"), 105, ""),
    ("Air Fryer Paper Liners 100 pcs, Round 20 cm", "空气炸锅专用纸 100张 20厘米", "air_fryer_liner",
        ("Kyberon", "Cosori"), 9, ""),
    ("Toaster 2 Slices, {color}", "两片式多士炉 {color_zh}", "toaster", ("Bosch", "Philips", "Smeg"), 55, ""),
    ("Rice Cooker 1.8 L with Steam Basket", "1.8升电饭煲 带蒸笼", "rice_cooker", ("Xiaomi", "Reishunger", "Philips"),
        65, ""),
    ("Non-Stick Frying Pan 28 cm", "28厘米不粘煎锅", "pan", ("Tefal", "WMF"), 36, ""),
    ("Kitchen Knife Set 5 Pieces with Block", "厨房刀具五件套", "knife", ("WMF", "Zwilling"), 85, ""),
    ("Microwave Oven 20 L 800 W, {color}", "20升微波炉 800W {color_zh}", "microwave", ("Samsung", "Bosch", "Panasonic"),
        115, ""),
)  # fmt: skip
_KITCHEN_PITCH: Pitch = (
    ("Easy to clean, parts go into the dishwasher.", "易清洗，部件可放入洗碗机。"),
    ("Strong, quiet and small on the worktop.", "动力强劲，静音省空间。"),
    ("A gift for everyone who likes to cook.", "送给热爱烹饪的人。"),
)
_FOOD = (
    ("Apple Juice Naturally Cloudy 1 L (Pack of 6)", "浑浊型苹果汁 1升 6瓶装", "juice", ("Rauch", "Voelkel", "Granini"),
        15, "apple"),
    ("Orange Juice with Pulp 1 L (Pack of 6)", "带果肉橙汁 1升 6瓶装", "juice", ("Granini", "Rauch", "Voelkel"), 16,
        "orange"),
    ("Organic Dried Apple Rings 200 g", "有机苹果干 200克", "dried_fruit", ("Seeberger", "Voelkel"), 6, "apple"),
    ("Apple Cider Vinegar Organic 750 ml", "有机苹果醋 750毫升", "vinegar", ("Bragg", "Voelkel"), 8, "apple"),
    ("Apple Sauce Unsweetened for Kids, 12 Pouches", "儿童无糖苹果泥 12袋", "apple_sauce", ("HiPP", "GoGo"), 14,
        "apple"),
    ("Orange Marmalade Bitter 340 g", "苦橙果酱 340克", "jam", ("Bonne Maman", "Mackays"), 5, "orange"),
    ("Dark Chocolate with Orange 100 g (Pack of 5)", "香橙黑巧克力 100克 5块装", "chocolate", ("Lindt", "Vivani"), 14,
        "orange"),
    ("Green Tea Sencha Loose Leaf 250 g", "煎茶绿茶 250克", "tea", ("TeaGschwendner", "Kusmi"), 14, ""),
    ("Blackberry Jam 340 g", "黑莓果酱 340克", "jam", ("Bonne Maman", "Mackays"), 5, "blackberry"),
    ("Roasted Almonds Unsalted 500 g", "原味烤杏仁 500克", "nuts", ("Seeberger", "Kluth"), 9, ""),
)  # fmt: skip
_FOOD_PITCH: Pitch = (
    ("From ripe fruit, without additives.", "精选成熟原料，无添加。"),
    ("Store cool and dry after opening.", "开封后请置于阴凉干燥处。"),
    ("Makes a good snack at home and on the road.", "居家旅行皆宜的美味。"),
)


def stock(shelf: Shelf) -> None:
    """Coffee machines by colour, coffee and cleaning, kitchen devices, food."""
    for brand, model, style, price, colors in _MACHINES:
        english, chinese = _MACHINE_WORDS[style]
        for color in colors:
            shelf.add(
                "coffee", (f"{{brand}} {{model}} {english}, {{color}}",
                    f"{{brand_zh}} {{model}} {chinese} {{color_zh}}"),
                price, brand=brand, kind="coffee_machine" if price > 40 else "coffee_maker", pitch=_MACHINE_PITCH,
                colors=[color], specs={"model": model}, model=model, style=style,
            )  # fmt: skip
    for category, rows, pitch in (
        ("coffee_accessories", _COFFEE, _COFFEE_PITCH),
        ("kitchen", _KITCHEN, _KITCHEN_PITCH),
        ("groceries", _FOOD, _FOOD_PITCH),
    ):
        for title, zh, kind, brands, price, detail in rows:
            for brand in brands:
                shelf.add(
                    category, (f"{{brand}} {title}", f"{{brand_zh}} {zh}"), price, brand=brand, kind=kind, pitch=pitch,
                    colors=[shelf.pick(("black", "white", "red"))] if "{color}" in title else (), fits=detail,
                )  # fmt: skip
