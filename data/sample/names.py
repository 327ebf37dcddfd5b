"""Plausible invented names, each in Chinese and in English (pinyin)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

Name = tuple[str, str]
"""Chinese and English."""


def _pairs(text: str) -> list[Name]:
    words = text.split()
    return list(zip(words[::2], words[1::2], strict=True))


_STREET_WORDS = _pairs(
    """
    建设 Jianshe 新华 Xinhua 文化 Wenhua 振兴 Zhenxing 胜利 Shengli 健康 Jiankang 青年 Qingnian
    朝阳 Chaoyang 和平 Heping 迎宾 Yingbin 富民 Fumin 康宁 Kangning 学府 Xuefu 花园 Huayuan
    东升 Dongsheng 光明 Guangming 团结 Tuanjie 幸福 Xingfu 长安 Chang'an 永安 Yong'an 平安 Ping'an
    育才 Yucai 兴业 Xingye 创业 Chuangye 科技 Keji 体育 Tiyu 商业 Shangye 园林 Yuanlin
    棠梨 Tangli 海棠 Haitang 桃园 Taoyuan 杏林 Xinglin 柳荫 Liuyin 槐荫 Huaiyin 松岭 Songling
    银杏 Yinxing 榆林 Yulin 竹溪 Zhuxi 荷塘 Hetang 兰亭 Lanting 菊园 Juyuan 梅岭 Meiling
    泉源 Quanyuan 清泉 Qingquan 玉泉 Yuquan 龙泉 Longquan 凤山 Fengshan 云山 Yunshan 望岳 Wangyue
    明德 Mingde 崇文 Chongwen 尚武 Shangwu 仁爱 Ren'ai 诚信 Chengxin 孝善 Xiaoshan 礼乐 Liyue
    金星 Jinxing 明月 Mingyue 春晓 Chunxiao 秋实 Qiushi 晨光 Chenguang 彩虹 Caihong 丰收 Fengshou
    安康 Ankang 安居 Anju 乐业 Leye 祥和 Xianghe 瑞祥 Ruixiang 吉庆 Jiqing 万福 Wanfu
    鲁班 Luban 石桥 Shiqiao 古槐 Guhuai 鼓楼 Gulou 钟楼 Zhonglou 文昌 Wenchang 魁星 Kuixing
    """
)
_COMPOUND_WORDS = _pairs(
    """
    阳光 Yangguang 锦绣 Jinxiu 翠湖 Cuihu 水岸 Shui'an 书香 Shuxiang 金桂 Jingui 紫荆 Zijing
    御景 Yujing 盛世 Shengshi 东方 Dongfang 凯旋 Kaixuan 世纪 Shiji 天悦 Tianyue 龙湖 Longhu
    碧水 Bishui 青山 Qingshan 绿洲 Lüzhou 丽景 Lijing 嘉和 Jiahe 泰和 Taihe 明珠 Mingzhu
    春天 Chuntian 香榭 Xiangxie 枫林 Fenglin 梧桐 Wutong 丁香 Dingxiang 玫瑰 Meigui 桂花 Guihua
    富贵 Fugui 鸿运 Hongyun 祥云 Xiangyun 瑞景 Ruijing 盛景 Shengjing 华庭 Huating 名都 Mingdu
    中央 Zhongyang 滨河 Binhe 沿河 Yanhe 临水 Linshui 望河 Wanghe 南苑 Nanyuan 北苑 Beiyuan
    东苑 Dongyuan 西苑 Xiyuan 怡和 Yihe 怡景 Yijing 康泰 Kangtai 康乐 Kangle 福安 Fu'an
    福泽 Fuze 安泰 Antai 安和 Anhe 文苑 Wenyuan 学苑 Xueyuan 博雅 Boya 雅居 Yaju 静安 Jing'an
    """
)
_UNITS = _pairs(
    """
    棉纺厂 Cotton-Mill 机械厂 Machine-Works 化肥厂 Fertiliser-Works 水泥厂 Cement-Works
    粮食局 Grain-Bureau
    供销社 Supply-Cooperative 供电局 Power-Bureau 水利局 Water-Bureau 农机厂 Farm-Machine-Works
    酒厂 Distillery 丝绸厂 Silk-Mill 陶瓷厂 Pottery 印刷厂 Printing-House 面粉厂 Flour-Mill
    交通局 Transport-Bureau 邮电局 Post-Bureau 教育局 Education-Bureau 卫生局 Health-Bureau
    轴承厂 Bearing-Works 造纸厂 Paper-Mill 制药厂 Pharmaceutical-Works 食品厂 Food-Works
    百货公司 Department-Store 建筑公司 Building-Company 运输公司 Haulage-Company
    林业局 Forest-Bureau
    """
)
_VILLAGES = _pairs(
    """
    王 Wang 李 Li 张 Zhang 刘 Liu 陈 Chen 杨 Yang 赵 Zhao 孙 Sun 周 Zhou 吴 Wu 徐 Xu 朱 Zhu
    马 Ma 胡 Hu 郭 Guo 何 He 高 Gao 林 Lin 罗 Luo 郑 Zheng 梁 Liang 谢 Xie 宋 Song 唐 Tang
    许 Xu 韩 Han 冯 Feng 邓 Deng 曹 Cao 彭 Peng 曾 Zeng 肖 Xiao 田 Tian 董 Dong 潘 Pan 袁 Yuan
    蔡 Cai 蒋 Jiang 余 Yu 于 Yu 杜 Du 叶 Ye 程 Cheng 魏 Wei 苏 Su 吕 Lü 丁 Ding 任 Ren 沈 Shen
    """
)
_PLACES = _pairs("东 Dong 西 Xi 南 Nan 北 Bei 前 Qian 后 Hou 大 Da 小 Xiao 上 Shang 下 Xia")
_SUFFIXES: dict[str, list[Name]] = {
    "new": _pairs(
        "花园 Garden 名城 City 华府 Mansion 公馆 Residence "
        "家园 Homes 壹号 No.1 新城 New-Town 府 Court"
    ),
    "courtyard": _pairs(
        "小区 Estate 小区 Estate 新村 New-Village 里 Lane-Court 苑 Court 楼院 Yard"
    ),
    "work_unit": _pairs("宿舍 Dormitory 家属院 Family-Yard 生活区 Living-Quarter"),
    "urban_village": _pairs("家庄 jiazhuang 家村 jiacun 家园村 jiayuan-Village 官庄 guanzhuang"),
    "suburban": _pairs("庄村 zhuang-Village 楼村 lou-Village 家峪 jiayu 家洼 jiawa 家店 jiadian"),
}


@dataclass
class Names:
    """Gives out names, no two alike within one city."""

    rng: np.random.Generator
    used: set[str] = field(default_factory=set)
    english: dict[str, str] = field(default_factory=dict)

    def _fresh(self, zh: str, en: str) -> Name | None:
        if zh in self.used:
            return None
        self.used.add(zh)
        en = en.replace("-", " ")
        self.english[zh] = en
        return zh, en

    def take(self, zh: str, en: str) -> Name:
        """Use a given name; a number is added if it is taken."""
        n, name = 1, self._fresh(zh, en)
        while name is None:
            n += 1
            name = self._fresh(f"{zh}{_numeral(n)}", f"{en} {n}")
        return name

    def _draw(self, firsts: list[Name], lasts: list[Name], glue: str = " ") -> Name:
        """Draw a first and a last word; after many misses, put a place word in front."""
        for attempt in range(400):
            first = firsts[int(self.rng.integers(len(firsts)))]
            last = lasts[int(self.rng.integers(len(lasts)))]
            if first[0].endswith(last[0][0]):
                continue
            front: Name = ("", "")
            if attempt >= 12:
                front = _PLACES[int(self.rng.integers(len(_PLACES)))]
            en = f"{front[1]}{first[1].lower() if front[1] else first[1]}{glue}{last[1]}"
            name = self._fresh(f"{front[0]}{first[0]}{last[0]}", en)
            if name is not None:
                return name
        first, last = firsts[0], lasts[0]
        return self.take(f"{first[0]}{last[0]}", f"{first[1]}{glue}{last[1]}")

    def street(self, *, along_u: bool, lane: bool) -> Name:
        """Name a street: 街 run east-west, 路 north-south, 巷 are lanes."""
        if lane:
            return self._draw(_STREET_WORDS, [("巷", "Lane")])
        return self._draw(_STREET_WORDS, [("街", "Street") if along_u else ("路", "Road")])

    def compound(self, kind: str) -> Name:
        """Name a compound after the habit of its kind."""
        firsts = {"work_unit": _UNITS, "urban_village": _VILLAGES, "suburban": _VILLAGES}
        glue = "" if kind in ("urban_village", "suburban") else " "
        return self._draw(firsts.get(kind, _COMPOUND_WORDS), _SUFFIXES[kind], glue)

    def community(self) -> Name:
        """Name a community."""
        return self._draw(_STREET_WORDS + _COMPOUND_WORDS, [("社区", "Community")])

    def subdistrict(self) -> Name:
        """Name a street in the administrative sense 街道."""
        return self._draw(_STREET_WORDS, [("街道", "Subdistrict")])

    def of(self, kinds: str, english: str) -> Name:
        """Name a park, school, market or works: a word and what it is."""
        return self._draw(_STREET_WORDS, [(kinds, english)])


def _numeral(n: int) -> str:
    return "〇一二三四五六七八九"[n] if n < 10 else str(n)
