"""The virtual hub of the service, made and set through the server's own interface."""

import time
from contextlib import suppress

from deploy.softether.plan import Plan
from exchange.softether import Api, Failed
from exchange.vpn import Unreachable

HUB_IS_THERE = 57
PATIENCE = 15  # seconds until a server that was started answers
NONE, EACH_DAY = 0, 4  # of a log: whether it is switched to another file


def wait_for(api: Api, patience: float = PATIENCE) -> None:
    """Until the server answers; Unreachable when it doesn't."""
    give_up = time.monotonic() + patience
    while True:
        try:
            api.call("GetServerInfo")
            return
        except Unreachable:
            if time.monotonic() > give_up:
                raise
        time.sleep(0.02)


def set_up(api: Api, plan: Plan) -> None:
    """As often as one likes: afterwards the hub is as the plan says, its users are untouched."""
    hub = {"HubName_str": plan.hub}
    facts = {
        "AdminPasswordPlainText_str": plan.hub_password,
        "Online_bool": True,
        "MaxSession_u32": plan.sessions,
        "NoEnum_bool": True,
        "HubType_u32": 0,
    }
    try:
        api.call("CreateHub", **hub, **facts)
    except Failed as error:
        if error.code != HUB_IS_THERE:
            raise
        api.call("SetHub", **hub, **facts)
    _drop_the_default(api, plan)
    _hand_out_addresses(api, plan)
    _bridge(api, plan)
    _keep_logs(api, plan)
    api.call("Flush")


def _drop_the_default(api: Api, plan: Plan) -> None:
    """The hub that every server makes for itself when it has none."""
    if plan.hub.upper() != "DEFAULT":
        with suppress(Failed):
            api.call("DeleteHub", HubName_str="DEFAULT")


def _hand_out_addresses(api: Api, plan: Plan) -> None:
    """DHCP alone: the box is gateway and name server, so that nothing else is left to reach; no NAT."""
    first, last = plan.leases
    there = api.call("GetSecureNATOption", RpcHubName_str=plan.hub)  # its hardware address is to stay
    facts = {
        "Ip_ip": str(plan.dhcp),
        "Mask_ip": str(plan.network.netmask),
        "UseNat_bool": False,
        "UseDhcp_bool": True,
        "DhcpLeaseIPStart_ip": str(first),
        "DhcpLeaseIPEnd_ip": str(last),
        "DhcpSubnetMask_ip": str(plan.network.netmask),
        "DhcpExpireTimeSpan_u32": 7200,
        "DhcpGatewayAddress_ip": str(plan.box),
        "DhcpDnsServerAddress_ip": str(plan.box),
        "DhcpDnsServerAddress2_ip": "0.0.0.0",
        "DhcpDomainName_str": "",
        "SaveLog_bool": True,
        "ApplyDhcpPushRoutes_bool": False,
        "DhcpPushRoutes_str": "",
    }
    api.call("SetSecureNATOption", **{**there, **facts, "RpcHubName_str": plan.hub})
    api.call("EnableSecureNAT", HubName_str=plan.hub)


def _bridge(api: Api, plan: Plan) -> None:
    there = api.call("EnumLocalBridge").get("LocalBridgeList", [])
    if not any(row["DeviceName_str"] == plan.bridge for row in there):
        api.call("AddLocalBridge", DeviceName_str=plan.bridge, HubNameLB_str=plan.hub, TapMode_bool=True)


def _keep_logs(api: Api, plan: Plan) -> None:
    """Who connected when, a file a day; never what was sent."""
    api.call(
        "SetHubLog",
        HubName_str=plan.hub,
        SaveSecurityLog_bool=True,
        SecurityLogSwitchType_u32=EACH_DAY,
        SavePacketLog_bool=False,
        PacketLogSwitchType_u32=EACH_DAY,
        PacketLogConfig_u32=[NONE] * 16,
    )
