"""Who is let in, who is refused, and that a page offers nobody what it refuses."""

import pytest
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from app import auth
from app.auth import AccountError
from app.db.models import User
from app.services import Services
from clinic import PASSWORD, csrf_token, log_in

PAGES = ("/", "/upload", "/model", "/account", "/studies/x", "/uploads/x", "/admin/users")


def user_id(services: Services, username: str) -> str:
    with services.database.read() as session:
        return session.scalars(select(User.id).where(User.username == username)).one()


def test_a_site_keeps_passwords_as_rfc_9106_recommends(
    services: Services, site_hasher: PasswordHasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "hasher", site_hasher)

    auth.create_user(services.database, "olga", PASSWORD, auth.READER)

    with services.database.read() as session:
        kept = session.scalars(select(User.password_hash)).one()
    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert auth.authenticate(services.database, "olga", PASSWORD)
    assert not auth.authenticate(services.database, "olga", PASSWORD + "!")


@pytest.mark.parametrize("path", PAGES)
def test_a_visitor_is_sent_to_the_login(client: FlaskClient, path: str) -> None:
    answer = client.get(path)

    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/login")


@pytest.mark.parametrize("path", ["/instances/x/brain.png", "/analyses/x/heat/0/any.png"])
def test_a_visitor_gets_no_picture(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 302


def test_a_wrong_password_is_refused(client: FlaskClient) -> None:
    data = {"csrf_token": csrf_token(client, "/login"), "username": "rita", "password": "wrong"}

    answer = client.post("/login", data=data)

    assert answer.status_code == 401
    assert "Wrong user name or password." in answer.text
    assert client.get("/").status_code == 302


def test_the_log_of_a_refused_login_names_the_account_by_its_id_alone(
    client: FlaskClient, services: Services, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("rita", "Tr0ub4dor&3\nforged line"):
        token = csrf_token(client, "/login")
        client.post("/login", data={"csrf_token": token, "username": name, "password": "wrong"})

    assert [record.getMessage() for record in caplog.records if record.name.startswith("app")] == [
        f"login refused: account {user_id(services, 'rita')} from 127.0.0.1",
        "login refused: account unknown from 127.0.0.1",
    ]
    assert "rita" not in caplog.text
    assert "Tr0ub4dor" not in caplog.text


def test_too_many_attempts_are_refused(app: Flask, client: FlaskClient) -> None:
    app.config["RATELIMIT_ENABLED"] = True
    from app.views.context import limiter

    limiter.enabled = True
    data = {"csrf_token": csrf_token(client, "/login"), "username": "rita", "password": "wrong"}

    answers = [client.post("/login", data=data).status_code for _ in range(11)]

    limiter.reset()
    limiter.enabled = False
    assert answers == [401] * 10 + [429]


def test_a_login_leads_to_the_page_asked_for(client: FlaskClient) -> None:
    data = {
        "csrf_token": csrf_token(client, "/login"),
        "username": "rita",
        "password": PASSWORD,
    }

    answer = client.post("/login?next=/model", data=data)

    assert answer.headers["Location"] == "/model"


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "/\\evil.example"])
def test_a_login_never_leads_to_another_site(client: FlaskClient, target: str) -> None:
    data = {"csrf_token": csrf_token(client, "/login"), "username": "rita", "password": PASSWORD}

    answer = client.post("/login", query_string={"next": target}, data=data)

    assert answer.headers["Location"] == "/"


def test_after_the_logout_the_pages_are_closed(reader: FlaskClient) -> None:
    reader.post("/logout", data={"csrf_token": csrf_token(reader, "/upload")})

    assert reader.get("/").status_code == 302


def test_a_reader_is_refused_the_accounts_and_offered_no_link(reader: FlaskClient) -> None:
    answer = reader.get("/admin/users")

    assert answer.status_code == 403
    assert "Ask an administrator" in answer.text
    assert "/admin/users" not in reader.get("/").text


def test_a_reader_cannot_reset_a_password(
    app: Flask, reader: FlaskClient, services: Services
) -> None:
    target = user_id(services, "ada")

    answer = reader.post(
        f"/admin/users/{target}/password", data={"csrf_token": csrf_token(reader, "/upload")}
    )

    assert answer.status_code == 403
    assert auth.authenticate(services.database, "ada", PASSWORD) is not None


def test_an_administrator_adds_a_user_who_can_log_in(
    administrator: FlaskClient, services: Services
) -> None:
    data = {"csrf_token": csrf_token(administrator, "/admin/users"), "username": "new.one"}

    page = administrator.post(
        "/admin/users", data={**data, "role": "reader"}, follow_redirects=True
    )

    password = page.text.split("Password of new.one: ")[1].split(" ")[0]
    user = auth.authenticate(services.database, "new.one", password)
    assert user is not None
    assert user.role == "reader"


def test_a_role_is_changed_by_others_and_holds_at_once(
    app: Flask, administrator: FlaskClient, services: Services
) -> None:
    rita = log_in(app.test_client(), "rita")
    token = {"csrf_token": csrf_token(administrator, "/admin/users")}

    def change(name: str, role: str) -> str:
        path = f"/admin/users/{user_id(services, name)}/role/{role}"
        return administrator.post(path, data=token, follow_redirects=True).text

    assert "rita is administrator from now on" in change("rita", "administrator")
    assert rita.get("/admin/users").status_code == 200
    change("rita", "reader")
    assert rita.get("/admin/users").status_code == 403
    assert "cannot change your own role" in change("ada", "reader")
    assert administrator.get("/admin/users").status_code == 200
    assert "Not Found" in change("rita", "owner")


def test_a_taken_name_is_refused(administrator: FlaskClient) -> None:
    data = {
        "csrf_token": csrf_token(administrator, "/admin/users"),
        "username": "rita",
        "role": "reader",
    }

    page = administrator.post("/admin/users", data=data, follow_redirects=True)

    assert "There is already a user named rita." in page.text


def test_a_blocked_user_is_out_at_once(
    app: Flask, administrator: FlaskClient, services: Services
) -> None:
    rita = log_in(app.test_client(), "rita")
    target = user_id(services, "rita")

    administrator.post(
        f"/admin/users/{target}/active/no",
        data={"csrf_token": csrf_token(administrator, "/admin/users")},
    )

    assert rita.get("/").status_code == 302
    assert auth.authenticate(services.database, "rita", PASSWORD) is None


def test_nobody_blocks_himself(administrator: FlaskClient, services: Services) -> None:
    target = user_id(services, "ada")

    page = administrator.post(
        f"/admin/users/{target}/active/no",
        data={"csrf_token": csrf_token(administrator, "/admin/users")},
        follow_redirects=True,
    )

    assert "You cannot block your own account." in page.text


def test_a_new_password_ends_the_other_sessions(app: Flask, reader: FlaskClient) -> None:
    elsewhere = log_in(app.test_client(), "rita")
    new = "another long password"
    data = {"csrf_token": csrf_token(reader, "/account"), "current": PASSWORD}

    reader.post("/account", data={**data, "new": new, "repeated": new})

    assert reader.get("/").status_code == 200
    assert elsewhere.get("/").status_code == 302


@pytest.mark.parametrize(
    ("current", "new", "repeated", "message"),
    [
        ("wrong", "another long password", "another long password", "not the present password"),
        (PASSWORD, "short", "short", "At least 12 characters"),
        (PASSWORD, "another long password", "a different password", "passwords differ"),
    ],
)
def test_a_bad_password_change_says_why(
    reader: FlaskClient, current: str, new: str, repeated: str, message: str
) -> None:
    data = {"csrf_token": csrf_token(reader, "/account"), "current": current}

    page = reader.post("/account", data={**data, "new": new, "repeated": repeated})

    assert message in page.text


def test_a_short_first_password_is_refused(services: Services) -> None:
    with pytest.raises(AccountError, match="at least 12 characters"):
        auth.create_user(services.database, "x", "short", auth.READER)


def test_every_page_carries_the_banner_and_the_security_headers(reader: FlaskClient) -> None:
    for path in ("/", "/upload", "/model", "/account", "/nowhere"):
        answer = reader.get(path)

        assert "Research use only, not for clinical use." in answer.text
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
