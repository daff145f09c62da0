"""Who asks, and what Airflow lets them do: its login, its roles, its permissions on DAGs."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from airflow.api_fastapi.auth.managers.base_auth_manager import ResourceMethod
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import get_user, requires_access_dag
from airflow.configuration import conf
from fastapi import Depends, HTTPException, Request
from itsdangerous import BadData, URLSafeTimedSerializer

from ml_pipeline.errors import ScopeError
from ml_pipeline.report.markup import Markup, tag
from ml_pipeline_airflow.models_page.address import page_url
from ml_pipeline_airflow.models_page.runs import dag_of

FORM_SECONDS = 12 * 3600
"""How long a form that was shown may be sent."""


class Visitor(NamedTuple):
    """A user of Airflow who asks for a page."""

    request: Request
    user: BaseUser

    @property
    def name(self) -> str:
        """As it stands in the promotion log."""
        return self.user.get_name()

    def may(self, method: ResourceMethod, use_case: str, entity: DagAccessEntity | None = None) -> bool:
        """Whether Airflow permits a method on the use case's training DAG, or on its runs."""
        try:
            requires_access_dag(method, entity, dag_of(use_case))(self.request, self.user)
        except HTTPException:
            return False
        return True

    def may_read(self, use_case: str) -> bool:
        """Whether the use case is shown at all."""
        return self.may("GET", use_case)

    def may_promote(self, use_case: str) -> bool:
        """Whether they may change who is champion."""
        return self.may("PUT", use_case)

    def may_retrain(self, use_case: str) -> bool:
        """Whether they may start a run of the training DAG."""
        return self.may("POST", use_case, DagAccessEntity.RUN)

    def form_token(self) -> str:
        """Proof that a form was shown to this very user, by this Airflow."""
        return _signer().dumps(self.user.get_id())

    def refuse_foreign(self, token: str) -> None:
        """Other pages can make a browser send a form, but cannot read the token of ours.

        Raises:
            ScopeError: the form was shown to somebody else, elsewhere, or too long ago.
        """
        try:
            shown_to = _signer().loads(token, max_age=FORM_SECONDS)
        except BadData:
            shown_to = None
        if shown_to != self.user.get_id():
            raise ScopeError(
                "the form was not shown to you by this page, or too long ago",
                expected="a form of this page, shown within the last 12 hours",
                do="go back, load the page again and decide again",
            )


def link(text: str, *parts: str) -> Markup:
    """A link to another page of ours."""
    return tag("a", text, href=page_url(*parts))


def _signer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(conf.get_mandatory_value("api", "secret_key"), salt="ml-pipeline.models-page")


def _visitor(request: Request, user: Annotated[BaseUser, Depends(get_user)]) -> Visitor:
    return Visitor(request, user)


Visit = Annotated[Visitor, Depends(_visitor)]
"""What a route takes to know who asks; a request that nobody is logged in for does not reach it."""
