"""What the scenarios of weft-cni share: the list of them, and how they say what they want."""

scenarios = []


def scenario(sentence):
    """Its function gets a World of its own."""
    def keep(work):
        scenarios.append((sentence, work))
        return work
    return keep


def expect(condition, *what):
    if not condition:
        raise AssertionError(" ".join(str(part) for part in what))


def succeeds(answer):
    expect(answer.status == 0, "wanted success, got", answer)
    return answer.json


def fails(answer, code):
    expect(answer.status == 1 and answer.code == code, f"wanted code {code}, got", answer)
    expect({"cniVersion", "code", "msg"} <= answer.json.keys() <= {"cniVersion", "code", "msg", "details"}, answer)
    expect(isinstance(answer.json["msg"], str) and answer.json["msg"], answer)
    return answer.json


VERSIONS = ["0.3.1", "0.4.0", "1.0.0", "1.1.0"]
