"""Toys, among them toy phones, toy cameras and toy kitchens that match the words of grown-up searches."""

from __future__ import annotations

from middleware.catalog.demo.shelf import Pitch, Shelf

# English, Chinese, kind, brands, price, tags
_TOYS = (
    ("Technic Race Car Building Set", "科技系列赛车积木", "building_set", ("LEGO",), 48, "car"),
    ("Technic Excavator Building Set", "科技系列挖掘机积木", "building_set", ("LEGO",), 65, "vehicle"),
    ("City Police Station Building Set", "城市系列警察局积木", "building_set", ("LEGO",), 62, ""),
    ("City Fire Truck Building Set", "城市系列消防车积木", "building_set", ("LEGO",), 33, "vehicle"),
    ("Star Wars Millennium Falcon Building Set", "星球大战千年隼积木", "building_set", ("LEGO",), 150, "starwars"),
    ("Star Wars X-Wing Fighter Building Set", "星球大战X翼战机积木", "building_set", ("LEGO",), 48, "starwars"),
    ("Friends Heartlake House Building Set", "好朋友系列心湖城小屋积木", "building_set", ("LEGO",), 58, ""),
    ("Classic Creative Brick Box 790 Pieces", "经典创意积木盒 790块", "building_set", ("LEGO",), 36, ""),
    ("Duplo Train for Toddlers", "得宝系列幼儿小火车", "building_set", ("LEGO",), 52, "train|toddler"),
    ("Building Blocks Compatible with LEGO Bricks 1000 Pieces", "积木 兼容乐高 1000块", "building_set",
        ("Kyberon", "Sluban"), 26, ""),
    ("Storage Box for LEGO Bricks, Stackable", "乐高积木收纳盒 可叠放", "toy_storage", ("Room Copenhagen", "Kyberon"),
        22, "lego"),
    ("LED Light Kit for LEGO Star Wars Millennium Falcon", "乐高千年隼专用LED灯饰", "toy_light",
        ("Briksmax", "Kyberon"), 30, "lego|starwars"),
    ("Toy Phone for Toddlers with Light and Sound", "幼儿玩具手机 声光", "toy_phone",
        ("VTech", "Fisher-Price", "Kyberon"), 14, "toddler"),
    ("Toy Smartphone for Kids, Pretend iPhone with Music", "儿童仿真玩具手机 音乐", "toy_phone", ("Kyberon", "VTech"),
        12, "kids"),
    ("Kids Digital Camera Toy with 32 GB SD Card", "儿童数码相机玩具 32GB卡", "toy_camera", ("VTech", "Kyberon"), 32,
        "kids"),
    ("Wooden Toy Camera", "木制玩具相机", "toy_camera", ("Hape", "Plan Toys"), 14, "toddler"),
    ("Toy Laptop for Learning Letters and Numbers", "儿童学习笔记本电脑玩具", "toy_laptop", ("VTech", "LeapFrog"), 25,
        "kids"),
    ("Toy Vacuum Cleaner with Real Suction", "儿童玩具吸尘器 真实吸力", "toy_vacuum", ("Casdon", "Theo Klein"), 27,
        "kids"),
    ("Toy Coffee Machine Wooden with Capsules", "木制玩具咖啡机 带胶囊", "toy_coffee", ("Hape", "Kyberon"), 24, "kids"),
    ("Toy Kitchen Wooden with Oven and Sink", "木制玩具厨房 带烤箱水槽", "toy_kitchen", ("Hape", "Kidkraft"), 95,
        "kids"),
    ("Remote Control Car 1:18 Off-Road 40 km/h", "1:18遥控越野车 40公里/小时", "rc_car", ("Kyberon", "Carrera"), 45,
        "car"),
    ("Remote Control Racing Car for Kids 1:24", "1:24儿童遥控赛车", "rc_car", ("Carrera", "Rastar"), 24, "car|kids"),
    ("Drone with HD Camera for Kids", "儿童航拍无人机 高清摄像头", "drone", ("DJI", "Kyberon"), 75, "kids"),
    ("Doll Anna with Blue Dress 40 cm", "娃娃安娜 蓝色裙子 40厘米", "doll", ("Gotz", "Kyberon"), 34, ""),
    ("Fashion Doll with Black Dress and Shoes", "时尚娃娃 黑色裙子和鞋子", "doll", ("Barbie", "Kyberon"), 22, ""),
    ("Doll House Wooden with Furniture", "木制娃娃屋 带家具", "doll_house", ("Hape", "Kidkraft"), 85, ""),
    ("Jigsaw Puzzle 1000 Pieces World Map", "世界地图拼图 1000片", "puzzle", ("Ravensburger", "Schmidt"), 15, "adult"),
    ("Jigsaw Puzzle 1000 Pieces Paris at Night", "巴黎夜景拼图 1000片", "puzzle", ("Ravensburger", "Clementoni"), 15,
        "adult"),
    ("Kids Puzzle Dinosaurs 3 x 49 Pieces", "儿童恐龙拼图 3x49片", "puzzle", ("Ravensburger", "Schmidt"), 11,
        "kids|dinosaur"),
    ("Wooden Train Set 60 Pieces", "木制火车轨道套装 60件", "train_set", ("Brio", "Hape"), 58, "train"),
    ("Dinosaur Figures Set of 12", "恐龙模型玩具 12只装", "figures", ("Schleich", "Kyberon"), 22, "dinosaur"),
    ("Teddy Bear Plush 45 cm", "泰迪熊毛绒玩具 45厘米", "plush", ("Steiff", "Trudi"), 38, ""),
    ("Board Game Catan", "卡坦岛桌游", "board_game", ("Kosmos",), 36, "family"),
    ("Board Game Ticket to Ride", "车票之旅桌游", "board_game", ("Days of Wonder",), 40, "family"),
    ("Card Game Uno", "UNO纸牌", "board_game", ("Mattel",), 8, "family"),
    ("Chess Set Wooden Foldable", "折叠木制国际象棋", "board_game", ("Philos", "Kyberon"), 28, "chess"),
    ("Balance Bike Toy Figure with Helmet", "玩具人偶 平衡车带头盔", "figures", ("Playmobil", "Schleich"), 9, ""),
    ("Play Tent Castle for Kids", "儿童城堡游戏帐篷", "tent", ("Kyberon", "Hape"), 32, "kids"),
    ("Science Kit 100 Experiments", "科学实验套装 100个实验", "science_kit", ("Kosmos", "National Geographic"), 34,
        "kids"),
    ("Modelling Clay 12 Colours", "12色橡皮泥", "clay", ("Play-Doh", "Kyberon"), 10, "kids"),
)  # fmt: skip
_AGES = {"toddler": "1+", "kids": "4+", "adult": "14+"}
_PITCH: Pitch = (
    ("Hours of fun at home, indoors and out.", "室内户外，乐趣无穷。"),
    ("A birthday present that children love.", "孩子喜爱的生日礼物。"),
    ("Trains patience and little hands.", "锻炼耐心和动手能力。"),
    ("Safe colours and smooth edges, tested for children.", "环保颜料，边角圆润，儿童使用更安全。"),
)


def stock(shelf: Shelf) -> None:
    """Every toy of every maker; building sets come in two sizes of box."""
    for title, zh, kind, brands, price, tags in _TOYS:
        age = next((_AGES[tag] for tag in tags.split("|") if tag in _AGES), "6+")
        for brand in brands:
            boxes = (
                (("", "", 1.0), (" XL", " 加大版", 1.8)) if kind in ("building_set", "doll_house") else (("", "", 1.0),)
            )
            for suffix, suffix_zh, factor in boxes:
                shelf.add(
                    "toys", (f"{{brand}} {title}{suffix}, Age {age}", f"{{brand_zh}} {zh}{suffix_zh} {age[:-1]}岁以上"),
                    price * factor, brand=brand, kind=kind, pitch=_PITCH, features=tags, specs={"age": age},
                )  # fmt: skip
