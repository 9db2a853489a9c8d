"""The demo shop's bilingual words: categories, brands and colours, so that both languages always agree."""

from __future__ import annotations

CATEGORIES = {
    "phones": ("Mobile Phones & Smartphones", "手机"),
    "phone_cases": ("Phone Cases & Protection", "手机壳与保护膜"),
    "chargers": ("Chargers & Cables", "充电器与数据线"),
    "wearables": ("Smartwatches & Bands", "智能手表与表带"),
    "laptops": ("Laptops & Notebook Computers", "笔记本电脑"),
    "tablets": ("Tablets", "平板电脑"),
    "computer_accessories": ("Computer Accessories", "电脑配件"),
    "headphones": ("Headphones & Earphones", "耳机"),
    "audio_accessories": ("Headphone Accessories", "耳机配件"),
    "speakers": ("Speakers & Soundbars", "音箱与回音壁"),
    "tvs": ("TVs & Television Sets", "电视机"),
    "tv_accessories": ("TV Accessories", "电视配件"),
    "cameras": ("Cameras", "相机"),
    "camera_accessories": ("Camera Accessories", "摄影配件"),
    "coffee": ("Coffee Machines", "咖啡机"),
    "coffee_accessories": ("Coffee & Accessories", "咖啡及配件"),
    "kitchen": ("Kitchen Appliances & Tools", "厨房电器与用具"),
    "groceries": ("Food & Drinks", "食品饮料"),
    "shoes": ("Shoes", "鞋靴"),
    "shoe_accessories": ("Shoe Care & Insoles", "鞋类护理与鞋垫"),
    "womens_clothing": ("Women's Clothing", "女装"),
    "mens_clothing": ("Men's Clothing", "男装"),
    "sewing": ("Sewing & Haberdashery", "缝纫辅料"),
    "toys": ("Toys & Games", "玩具"),
    "bicycles": ("Bicycles", "自行车"),
    "bicycle_accessories": ("Cycling Accessories", "骑行装备"),
    "printers": ("Printers", "打印机"),
    "printer_supplies": ("Ink, Toner & Paper", "墨盒、硒鼓与纸张"),
    "vacuums": ("Vacuum Cleaners", "吸尘器"),
    "vacuum_accessories": ("Vacuum Bags & Filters", "吸尘器配件"),
}

BRANDS_ZH = {
    "Adidas": "阿迪达斯",
    "Anker": "安克",
    "Apple": "苹果",
    "Asics": "亚瑟士",
    "Bose": "博士",
    "Bosch": "博世",
    "Brother": "兄弟",
    "Canon": "佳能",
    "De'Longhi": "德龙",
    "Dell": "戴尔",
    "Dyson": "戴森",
    "Edifier": "漫步者",
    "Epson": "爱普生",
    "Fujifilm": "富士",
    "GoPro": "GoPro",
    "Google": "谷歌",
    "HP": "惠普",
    "Hisense": "海信",
    "Huawei": "华为",
    "LEGO": "乐高",
    "LG": "LG",
    "Lenovo": "联想",
    "Logitech": "罗技",
    "Motorola": "摩托罗拉",
    "New Balance": "新百伦",
    "Nike": "耐克",
    "Nikon": "尼康",
    "Nokia": "诺基亚",
    "OnePlus": "一加",
    "Panasonic": "松下",
    "Philips": "飞利浦",
    "Puma": "彪马",
    "Roborock": "石头",
    "Samsung": "三星",
    "SanDisk": "闪迪",
    "Sennheiser": "森海塞尔",
    "Sony": "索尼",
    "TP-Link": "普联",
    "Ugreen": "绿联",
    "Xiaomi": "小米",
}

COLORS_ZH = {
    "beige": "米色",
    "black": "黑色",
    "blue": "蓝色",
    "brown": "棕色",
    "clear": "透明",
    "gold": "金色",
    "gray": "灰色",
    "green": "绿色",
    "navy": "藏青色",
    "orange": "橙色",
    "pink": "粉色",
    "purple": "紫色",
    "red": "红色",
    "silver": "银色",
    "white": "白色",
    "yellow": "黄色",
}


def brand_zh(brand: str) -> str:
    """The brand as a Chinese shop writes it; brands without a Chinese name keep their own."""
    return BRANDS_ZH.get(brand, brand)


def color_zh(color: str) -> str:
    """The Chinese word for one of our colours; KeyError for a colour that the tables do not know."""
    return COLORS_ZH[color]
