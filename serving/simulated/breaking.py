"""Which fault a request meets, and the reply with the fault in it."""

from serving.simulated.asked import Asked
from serving.simulated.broken_answers import IN_ANSWER
from serving.simulated.broken_delivery import IN_STREAM, IN_WHOLE
from serving.simulated.broken_replies import INSTEAD
from serving.simulated.draws import fraction
from serving.simulated.faults import Fault, FaultName
from serving.simulated.planning import plan_answer, write_reply
from serving.simulated.reply import Reply
from serving.simulated.script import DrawBy, ModelScript


def choose_fault(script: ModelScript, asked: Asked, wanted: Fault | None, *, is_reused: bool) -> Fault | None:
    """Return the fault that the request wants, else the first of the script whose share it falls into.

    is_reused: the connection carried a request before this one.
    """
    key = asked.request_id if script.draw_by is DrawBy.REQUEST_ID else asked.prompt_text
    for fault in script.faults if wanted is None else (wanted,):
        if fault.name is FaultName.CLOSE_REUSED and not is_reused:
            continue
        if fault.share == 1 or fraction(script.seed, "fault", fault.name, script.name, key) < fault.share:
            return fault
    return None


def respond(script: ModelScript, asked: Asked, fault: Fault | None) -> Reply:
    """Return the reply to a request, with the fault in it where there is one.

    Raises Rejected where the model cannot take the request.
    """
    if fault is None or fault.name is FaultName.NONE:
        return write_reply(plan_answer(script, asked))
    if fault.name in INSTEAD:
        return INSTEAD[fault.name](fault, asked)
    plan = plan_answer(script, asked)
    if fault.name in IN_ANSWER:
        return write_reply(IN_ANSWER[fault.name](fault, plan))
    reply = write_reply(plan)
    on_the_way = (IN_STREAM if asked.is_stream else IN_WHOLE).get(fault.name)
    return reply if on_the_way is None else on_the_way(fault, reply)
