"""Invented sponsors, general names of conditions, and phrases of eligibility, with what each does to the log odds."""

from __future__ import annotations

from itertools import product

INCLUSION = {
    "Able to walk without help for at least six minutes": 0.7,
    "Written consent given before any procedure of the study": 0.0,
    "Diagnosis confirmed by biopsy within the past eight weeks": -0.5,
    "Body mass index from 18 to 35": 0.0,
    "Willing to keep a daily diary of symptoms": 0.5,
    "Life expectancy of three months or more": -0.8,
    "Adequate function of liver and kidneys": 0.0,
    "Reachable by telephone during the whole study": 0.8,
    "At least two previous treatments without success": -1.0,
    "Stable dose of all other medicines for thirty days": 0.0,
    "Lives within an hour of the study site": 0.6,
    "Carries a rare variant of the gene under study": -0.9,
    "Speaks the language of the questionnaires": 0.0,
    "Admitted to intensive care within the last day": -0.6,
    "Healthy by history and examination": 0.7,
    "Measurable disease on imaging": 0.0,
    "Symptoms present for more than half of the days": 0.0,
    "Referred by a family physician": 0.0,
    "Blood pressure above 140 over 90 at two visits": 0.0,
    "Agrees to use reliable contraception": 0.0,
    "Scheduled for elective surgery": 0.4,
    "First episode of the illness": 0.0,
    "Has a caregiver who can attend all visits": 0.0,
    "Haemoglobin of 9 grams per decilitre or more": 0.0,
    "Owns a telephone that can run the application": 0.0,
    "Score of 20 or more on the scale of severity": 0.0,
    "Enrolled in school at the time of screening": 0.0,
    "Able to swallow tablets": 0.0,
    "Moderate pain during at least one week": 0.0,
    "Discharged from hospital within the last month": -0.4,
}
EXCLUSION = {
    "Any other investigational product during the past month": -0.5,
    "Pregnant or breastfeeding": 0.0,
    "Known allergy to a component of the product": 0.0,
    "Unable to complete questionnaires alone": 0.6,
    "Uncontrolled infection that needs intravenous antibiotics": -0.7,
    "History of stroke within half a year": 0.0,
    "Severe impairment of the kidneys": 0.0,
    "Previous transplantation of an organ": -0.6,
    "Dependence on alcohol or other substances": 0.5,
    "Metastases in the brain": -0.8,
    "Planned move to another region": 0.8,
    "Epilepsy that is not controlled by treatment": 0.0,
    "Implanted pacemaker or defibrillator": 0.0,
    "Use of anticoagulants that cannot be paused": 0.0,
    "Active hepatitis": 0.0,
    "Cognitive decline that prevents consent": 0.0,
    "Heart failure with symptoms at rest": 0.0,
    "Surgery on the same joint within a year": 0.0,
    "Psychosis at present or in the past": 0.0,
    "Claustrophobia or metal that rules out magnetic resonance imaging": 0.0,
    "Works night shifts": 0.4,
    "Participated in an earlier part of this study": 0.0,
    "Vaccinated within two weeks before the first visit": 0.0,
    "Contact lenses that cannot be left out": 0.0,
    "Glucose above 270 milligrams per decilitre when fasting": 0.0,
    "Treatment with steroids by mouth": 0.0,
    "Another cancer during the last five years": 0.0,
    "Low count of platelets or neutrophils": 0.0,
    "Asthma attack that needed a hospital": 0.0,
    "Close relative of a member of the study team": 0.0,
}
NEW_CONDITION = "Post-Viral Exhaustion Syndrome"
"""Unknown before the drift."""
CONDITION_EFFECTS = {
    "Pancreatic Cancer": -1.0,
    "Sepsis": -0.8,
    "Glioblastoma": -0.9,
    "Heart Failure": -0.4,
    "Acute Myeloid Leukemia": -0.7,
    "Type 2 Diabetes": 0.6,
    "Obesity": 0.5,
    "Influenza": 1.0,
    "Low Back Pain": 0.5,
    "Dental Caries": 0.8,
    "Psoriasis": 0.6,
    NEW_CONDITION: -0.5,
}
CONDITIONS = (
    "Breast Cancer", "Type 2 Diabetes", "Hypertension", "Obesity", "Stroke", "Depression", "Heart Failure", "Asthma",
    "Pain, Postoperative", "Prostate Cancer", "Lung Cancer", "Low Back Pain", "Pancreatic Cancer", "Anxiety",
    "Coronary Artery Disease", "Influenza", "Sepsis", "Osteoarthritis, Knee", "Psoriasis", "Colorectal Cancer",
    "Multiple Sclerosis", "Alzheimer Disease", "Acute Myeloid Leukemia", "Parkinson Disease", "Glioblastoma",
    "Dental Caries", "Rheumatoid Arthritis", "Chronic Kidney Disease", "HIV Infections", "Schizophrenia",
    "Multiple Myeloma", "Crohn Disease", "Ulcerative Colitis", "Cystic Fibrosis", "Atopic Dermatitis", "Insomnia",
    "Migraine", "Epilepsy", "Malaria", "Tuberculosis", "Hepatitis B", "Hepatitis C", "Cirrhosis", "Lymphoma",
    "Ovarian Cancer", "Cervical Cancer", "Bladder Cancer", "Melanoma", "Gastric Cancer", "Esophageal Cancer",
    "Head and Neck Cancer", "Atrial Fibrillation", "Myocardial Infarction", "Aortic Stenosis", "Venous Thrombosis",
    "Peripheral Artery Disease", "Pneumonia", "COPD", "Sleep Apnea", "Glaucoma", "Cataract", "Dry Eye", "Myopia",
    "Periodontitis", "Acne", "Burns", "Wound Healing", "Hip Fracture", "Osteoporosis", "Fibromyalgia", "Gout", "Lupus",
    "Endometriosis", "Infertility", "Preterm Birth", "Preeclampsia", "Autism", "ADHD", "Anemia", "Sickle Cell Disease",
)  # fmt: skip
"""The more frequent a condition, the sooner it is named."""
INTERVENTION_NAMES = {
    "DRUG": "Compound", "DEVICE": "Device", "BEHAVIORAL": "Programme", "PROCEDURE": "Procedure",
    "BIOLOGICAL": "Antibody", "RADIATION": "Radiation schedule", "DIETARY_SUPPLEMENT": "Supplement",
    "DIAGNOSTIC_TEST": "Test", "COMBINATION_PRODUCT": "Kit", "OTHER": "Usual care",
}  # fmt: skip
WHY_STOPPED = (
    "Too few participants were found", "Funding ended", "The sponsor decided so", "The investigator left",
    "An interim analysis showed no benefit", "The product was no longer supplied", "Concerns about safety",
)  # fmt: skip
PLACES = (
    "Ardenholt", "Brackwater", "Caldermoor", "Dunfallow", "Eastmere", "Fennbridge", "Glasswick", "Harrowdale",
    "Ivelstone", "Jorvale", "Kestrel Bay", "Lindenfeld", "Marlowe Hill", "Northfield", "Oakhollow", "Pinecrest",
    "Quillmarsh", "Ravensford", "Silverlake", "Thornbury Cross", "Umberland", "Valemont", "Westering", "Yarrowby",
    "Zellingen", "Altamora", "Belcourt", "Corvana", "Delmere", "Estrava",
)  # fmt: skip
KINDS = {
    "OTHER": ("University Hospital", "Medical School", "General Hospital", "Institute of Health", "Cancer Center",
              "Children's Hospital", "Foundation"),
    "INDUSTRY": ("Therapeutics", "Biosciences", "Medical Devices", "Pharma", "Diagnostics", "Oncology"),
    "OTHER_GOV": ("Ministry of Health",),
    "NETWORK": ("Trials Network",),
    "NIH": ("National Institute",),
    "INDIV": ("Independent Investigator",),
}  # fmt: skip
SPONSORS = {group: tuple(f"{place} {kind}" for place, kind in product(PLACES, kinds)) for group, kinds in KINDS.items()}
"""Class -> names, the most active first."""
