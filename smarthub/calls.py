"""Every call of the contract: name, method, path and how sure we are of it. Data, used by client and check."""

from dataclasses import dataclass
from typing import Literal

from smarthub import contract
from smarthub.marks import Assumed, Documented, Mark
from smarthub.tolerant import WireModel

Shape = Literal["object", "page", "none"]


@dataclass(frozen=True, slots=True)
class Call:
    """One call.

    `path` is a template whose `{…}` are filled with quoted segments. `mark` says how sure the path is,
    `page_mark` how sure the shape of its pages. `model` is the type of the answer, or of a page's elements.
    """

    name: str
    method: Literal["GET", "POST", "PUT"]
    path: str
    mark: Mark
    shape: Shape = "object"
    model: type[WireModel] | None = None
    page_mark: Mark = Assumed()  # noqa: RUF009 # frozen and without state

    @property
    def is_read(self) -> bool:
        """Whether the call changes nothing at the carrier, so that it may be repeated."""
        return self.method == "GET"


D, A = Documented(), Assumed()

_ALL = (
    Call("get_root", "GET", "/", D),
    Call("get_enterprise", "GET", "/enterprise", D, model=contract.Enterprise),
    Call("list_sims", "GET", "/global-sims", D, "page", contract.Sim),
    Call("get_sim", "GET", "/global-sims/{giccid}", D, model=contract.Sim),
    Call("list_change_logs", "GET", "/global-sims/changeLogs", D, "page", contract.ChangeEntry, D),
    Call("get_custom_fields", "GET", "/global-sims/{giccid}/custom-field", A),
    Call("get_account", "GET", "/account/{account}", D, model=contract.Account),
    Call("list_plans", "GET", "/{account}/servicePackages", D, "page", contract.Plan),
    Call("list_pools", "GET", "/share-pools", A, "page", contract.Pool),
    Call("country_statistics", "GET", "/global-sims/statistics/countries", A, model=contract.CountryStatistics),
    Call("get_batch_job", "GET", "/batchJobs/{job_id}", D, model=contract.BatchJob),
    Call("get_sms", "GET", "/mt-sms/{sms_id}", D, model=contract.SmsMessage),
    Call("set_custom_fields", "PUT", "/global-sims/{giccid}/custom-field", D, "none"),
    Call("activate", "POST", "/global-sims/{giccid}/activate", A, "none"),
    Call("deactivate", "POST", "/global-sims/{giccid}/deactivate", A, "none"),
    Call("retire", "POST", "/global-sims/{giccid}/retire", D, "none"),
    Call("change_plan", "PUT", "/global-sims/{giccid}/servicePackage", A, "none"),
    Call("add_plan", "POST", "/global-sims/{giccid}/servicePackages", A, model=contract.Subscription),
    Call("set_apn", "PUT", "/global-sims/{giccid}/apnStatus", A, "none"),
    Call("submit_batch_activate", "POST", "/batchJobs/global-sims/activate", A),
    Call("submit_batch_deactivate", "POST", "/batchJobs/global-sims/deactivate", D),
    Call("submit_batch_retire", "POST", "/batchJobs/global-sims/retire", A),
    Call("submit_batch_change_plan", "POST", "/batchJobs/global-sims/servicePackage", A),
    Call("send_sms", "POST", "/mt-sms", D, model=contract.SmsAccepted),
)

CALLS: dict[str, Call] = {call.name: call for call in _ALL}
