"""What every export tells of a study itself: columns of its table, under their DICOM keywords."""

from typing import Final

STUDY_FACTS: Final = (
    "study_instance_uid",
    "patient_id",
    "patient_name",
    "patient_birth_date",
    "patient_sex",
    "accession_number",
    "study_date",
    "study_description",
    "simulated",
)
