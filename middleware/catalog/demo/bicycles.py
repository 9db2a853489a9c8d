"""Bicycles and everything that is screwed onto, worn on or locked around one."""

from __future__ import annotations

from middleware.catalog.demo.shelf import Pitch, Shelf

# style, English, Chinese, price, brands, sizes
_BIKES = (
    ("mountain", "Mountain Bike {inches} Inch 21 Speed Disc Brakes", "{inches}英寸山地自行车 21速 碟刹", 430,
        ("Trek", "Giant", "Cube"), ("27.5", "29")),
    ("city", "City Bike {inches} Inch 7 Speed with Basket", "{inches}英寸城市通勤自行车 7速 带车筐", 360,
        ("Gazelle", "Pegasus", "Giant"), ("26", "28")),
    ("road", "Road Bike Carbon {inches} Inch Shimano 105", "{inches}英寸碳纤维公路自行车", 1450,
        ("Trek", "Giant", "Cube"), ("28",)),
    ("gravel", "Gravel Bike Aluminium {inches} Inch", "{inches}英寸铝合金砾石公路车", 980, ("Cube", "Trek"), ("28",)),
    ("ebike", "E-Bike Electric Bicycle {inches} Inch 500 Wh", "{inches}英寸电动助力自行车 500Wh", 1850,
        ("Cube", "Gazelle", "Xiaomi"), ("26", "28")),
    ("folding", "Folding Bike {inches} Inch Compact", "{inches}英寸折叠自行车", 420, ("Brompton", "Dahon", "Xiaomi"),
        ("16", "20")),
    ("kids", "Kids Bike {inches} Inch with Training Wheels", "{inches}英寸儿童自行车 带辅助轮", 135,
        ("Puky", "Bikestar", "Giant"), ("14", "16", "20")),
    ("balance", "Balance Bike {inches} Inch for Toddlers", "{inches}英寸儿童平衡车 滑步车", 75, ("Puky", "Bikestar"),
        ("10", "12")),
)  # fmt: skip
_BIKE_PITCH: Pitch = (
    ("Comes 90 percent assembled, tools included.", "出厂已组装90%，附安装工具。"),
    ("Light frame and brakes you can trust in the rain.", "轻量车架，雨天刹车依然可靠。"),
    ("For the way to work and for the weekend.", "通勤周末两相宜。"),
)
# kind, English, Chinese, price, brands, tags
_GEAR = (
    ("helmet", "Bike Helmet Adjustable with Light, {color}", "自行车骑行头盔 可调节 带尾灯 {color_zh}", 48,
        ("Abus", "Uvex", "Giro"), "adult"),
    ("helmet", "Road Cycling Helmet Aero, {color}", "公路车气动骑行头盔 {color_zh}", 95, ("Giro", "Kask"),
        "adult|road"),
    ("helmet", "Kids Bicycle Helmet with Chin Protection, {color}", "儿童自行车头盔 {color_zh}", 32,
        ("Abus", "Uvex", "Puky"), "kids"),
    ("helmet", "MTB Helmet with Visor, {color}", "山地车头盔 带帽檐 {color_zh}", 75, ("Fox", "Giro"), "adult|mountain"),
    ("lock", "Bicycle U-Lock Security Level 12", "自行车U型锁 12级防盗", 62, ("Abus", "Kryptonite"), ""),
    ("lock", "Folding Bike Lock Bordo 90 cm", "折叠自行车锁 90厘米", 75, ("Abus", "Trelock"), "folding"),
    ("lock", "Bike Chain Lock with Code 110 cm", "自行车密码链条锁 110厘米", 28, ("Kryptonite", "Kyberon"), ""),
    ("light", "Bike Light Set USB Rechargeable Front and Rear", "自行车前后灯套装 USB充电", 26,
        ("Sigma", "Busch & Muller", "Kyberon"), ""),
    ("pump", "Floor Pump with Gauge for Bicycle Tyres", "自行车落地打气筒 带气压表", 32, ("SKS", "Topeak"), ""),
    ("pump", "Portable Electric Air Pump for Bike and Car", "便携电动充气泵 自行车汽车通用", 45, ("Xiaomi", "Kyberon"),
        "electric"),
    ("bike_phone_mount", "Bike Phone Mount Waterproof for iPhone 12, iPhone 13 and Galaxy S23",
        "自行车手机支架 防水 适用iPhone和三星", 19, ("Lamicall", "Kyberon", "Topeak"), "iphone"),
    ("computer", "Bike Computer GPS with Navigation", "GPS自行车码表 导航", 190, ("Garmin", "Wahoo", "Sigma"), ""),
    ("child_seat", "Child Seat for Bicycle Rear Rack up to 22 kg", "自行车后置儿童座椅 22公斤", 110, ("Thule", "Hamax"),
        "kids"),
    ("saddle", "Gel Bike Saddle Wide Comfort", "宽大舒适自行车凝胶坐垫", 32, ("Selle Royal", "Kyberon"), ""),
    ("pannier", "Pannier Bags for Bike Rack Waterproof 40 L", "自行车驮包 防水 40升", 105, ("Ortlieb", "Kyberon"), ""),
    ("tube", "Inner Tube {inches} Inch for Mountain Bike", "{inches}英寸山地车内胎", 8, ("Schwalbe", "Continental"),
        "29"),
    ("tyre", "Bike Tyre Marathon Plus 28 Inch Puncture Protection", "28英寸防刺自行车外胎", 38,
        ("Schwalbe", "Continental"), "28"),
    ("oil", "Chain Oil for Bicycle 100 ml", "自行车链条油 100毫升", 9, ("Finish Line", "Muc-Off"), ""),
    ("gloves", "Cycling Gloves Half Finger, {color}", "半指骑行手套 {color_zh}", 22, ("Giro", "Kyberon"), ""),
    ("jersey", "Cycling Jersey Men Short Sleeve, {color}", "男款短袖骑行服 {color_zh}", 45, ("Castelli", "Gore Wear"),
        ""),
    ("wall_hook", "Bike Wall Mount Hook for Garage", "自行车墙壁挂钩 车库收纳", 19, ("Hornit", "Kyberon"), ""),
    ("training_wheels", "Training Wheels for Kids Bike 12-20 Inch", "儿童自行车辅助轮 12-20英寸", 19,
        ("Bikestar", "Puky"), "kids"),
    ("battery", "E-Bike Battery 36 V 500 Wh Replacement for Electric Bicycle", "电动自行车电池 36V 500Wh", 330,
        ("Bosch", "Kyberon"), "ebike"),
)  # fmt: skip
_GEAR_PITCH: Pitch = (
    ("Mounted in minutes, without special tools.", "几分钟即可安装，无需专用工具。"),
    ("Tested for every season on the road.", "四季骑行皆可靠。"),
    ("Bicycle not included.", "不含自行车。"),
)


def stock(shelf: Shelf) -> None:
    """Bicycles by wheel size and colour, then gear of every maker."""
    for style, english, chinese, price, brands, sizes in _BIKES:
        for brand in brands:
            for inches in sizes:
                for color in shelf.some(("black", "blue", "red", "green", "pink", "white"), 1 if price > 900 else 2):
                    shelf.add(
                        "bicycles", (f"{{brand}} {english}, {{color}}", f"{{brand_zh}} {chinese} {{color_zh}}"), price,
                        brand=brand, kind="bicycle", pitch=_BIKE_PITCH, colors=[color], style=style, inches=inches,
                        specs={"wheel size": f"{inches} inch"},
                    )  # fmt: skip
    for kind, english, chinese, price, brands, tags in _GEAR:
        for brand in brands:
            colors = shelf.some(("black", "white", "red", "blue", "yellow"), 2 if kind == "helmet" else 1)
            for color in colors if "{color}" in english else ("",):
                shelf.add(
                    "bicycle_accessories", (f"{{brand}} {english}", f"{{brand_zh}} {chinese}"), price, brand=brand,
                    kind=f"bike_{kind.removeprefix('bike_')}", pitch=_GEAR_PITCH, colors=[color] if color else (),
                    features=tags, inches="29",
                )  # fmt: skip
