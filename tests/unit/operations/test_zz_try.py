from envmgr.operations.rotate import rotate


def test_x(house):
    house.up("dev")
    print(house.secrets("dev"))
    r = rotate(house.session(), "dev", ("redis",), house.agree)
    print(r)
    print(house.servers.asked)
    print(house.secrets("dev"))
    print(house.servers.opens)
    r = rotate(house.session(), "dev", ("postgres", "SECRET_KEY"), house.agree)
    print(r)
    print(house.servers.asked)
    print(house.secrets("dev"))
    print(house.servers.opens)
    print(house.said)
