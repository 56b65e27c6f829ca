"""Sample applications such as a service centre receives: invented and reproducible."""

from collections.abc import Iterator
from datetime import date
from random import Random
from typing import Any

from stdnum.cn import uscc
from stdnum.iso7064 import mod_11_2

from services.intake.core.catalogue.models import Catalogue
from services.intake.core.catalogue.plans import required_materials

SURNAMES = "王李张刘陈杨黄赵周吴徐孙马朱胡林郭何高罗"
GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英"
TRADES = ("商贸", "餐饮", "科技", "物流", "建材", "农业", "文化", "机械")
REGIONS = ("450102", "450103", "450105", "450107", "450108", "450109", "450110", "450121")
"""Districts of Nanning (GB/T 2260)."""
CHANNELS = ("window", "web", "web", "web", "township", "agent", "post")
MATTERS = ("start-business", "start-business", "start-business", "transfer-property", "transfer-property")
"""The bundles to draw from; besides, every sixth application is an investment project."""


def applications(catalogue: Catalogue, count: int, seed: int = 7) -> Iterator[dict[str, Any]]:
    """So many applications for ``POST /cases``, the same ones for the same seed."""
    random = Random(seed)
    by_code = {bundle.code: bundle for bundle in catalogue.bundles}
    for number in range(count):
        bundle = "investment-project" if number % 6 == 5 else random.choice(MATTERS)
        region = random.choice(REGIONS)
        by_company = bundle == "investment-project" or random.random() < 0.3
        yield {
            "bundle": bundle,
            "region": region,
            "channel": random.choice(CHANNELS),
            "applicant": company(random, region) if by_company else person(random, region),
            "materials": [material.code for material in required_materials(catalogue, by_code[bundle])],
        }


def person(random: Random, region: str) -> dict[str, str]:
    """A person with a valid citizen number of that region."""
    name = random.choice(SURNAMES) + "".join(random.sample(GIVEN, random.choice((1, 2))))
    born = date(random.randrange(1955, 2005), random.randrange(1, 13), random.randrange(1, 29))
    return {"kind": "person", "name": name, "id_number": citizen_number(born, random.randrange(1000), region)}


def company(random: Random, region: str) -> dict[str, str]:
    """A company with a valid credit code of that region."""
    name = f"南宁市{''.join(random.sample(GIVEN, 2))}{random.choice(TRADES)}有限公司"
    organisation = f"MA5{random.randrange(10**6):06d}"
    return {"kind": "organisation", "name": name, "id_number": credit_code(organisation, region)}


def citizen_number(born: date, sequence: int, region: str) -> str:
    """A citizen number (GB 11643) with its check character."""
    body = f"{region}{born:%Y%m%d}{sequence:03}"
    return body + mod_11_2.calc_check_digit(body)


def credit_code(organisation: str, region: str) -> str:
    """The unified social credit code (GB 32100) of a company, with its check character."""
    body = f"91{region}{organisation}"
    return body + uscc.calc_check_digit(body)
